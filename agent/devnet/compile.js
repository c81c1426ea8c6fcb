// One unit of the local chain's contracts through one compiler. It reads only what the unit imports, and writes no file.
"use strict";

const fs = require("fs");
const path = require("path");

const { compiler, roots, input } = JSON.parse(fs.readFileSync(0, "utf8"));

function contents(source) {
  const prefix = Object.keys(roots).find((known) => source.startsWith(known));
  return fs.readFileSync(path.join(roots[prefix], source.slice(prefix.length)), "utf8");
}

function answer(source) {
  try {
    return { contents: contents(source) };
  } catch (missing) {
    return { error: missing.message };
  }
}

for (const source of Object.keys(input.sources)) {
  input.sources[source].content = contents(source);
}
process.stdout.write(require(compiler).compile(JSON.stringify(input), { import: answer }));
