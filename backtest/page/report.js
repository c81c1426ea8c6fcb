// Reads a chart out where the pointer is. The page is whole without it.
for (const figure of document.querySelectorAll("figure.chart")) {
  const said = JSON.parse(figure.querySelector("script").textContent);
  const plot = figure.querySelector(".plot"), cursor = figure.querySelector(".cursor");
  const when = figure.querySelector(".when"), values = [...figure.querySelectorAll(".key b")];
  const first = said.t[0], span = said.t[said.t.length - 1] - first || 1, told = values.map((value) => value.textContent), word = when.textContent;
  const show = (event) => {
    const box = plot.getBoundingClientRect();
    const wanted = first + (span * (event.clientX - box.left)) / box.width;
    let at = said.t.findIndex((time) => time >= wanted);
    if (at < 0) at = said.t.length - 1;
    cursor.style.display = "block";
    cursor.style.left = (100 * (said.t[at] - first)) / span + "%";
    when.textContent = new Date(1000 * said.t[at]).toISOString().slice(0, 16).replace("T", " ");
    values.forEach((value, series) => { value.textContent = said.s[series][at]; });
  };
  const leave = () => {
    cursor.style.display = "none";
    when.textContent = word;
    values.forEach((value, series) => { value.textContent = told[series]; });
  };
  plot.addEventListener("pointermove", show);
  plot.addEventListener("pointerdown", show);
  plot.addEventListener("pointerleave", leave);
}
// What is folded away is printed too.
const folded = document.querySelectorAll("details:not([open])");
addEventListener("beforeprint", () => folded.forEach((details) => { details.dataset.was = details.open; details.open = true; }));
addEventListener("afterprint", () => folded.forEach((details) => { details.open = details.dataset.was === "true"; }));
