"""Records in one file, found by row and column and read back one at a time. Refuses a record that was cut, grew or does not stand
where its place says, and one longer than any record is.

A record is its canonical text (wallets.wire), packed by deflate (RFC 1951) against the first record of its column: what repeats
at every row, such as a market's addresses, then costs almost nothing, and each record can still be read without any other."""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from strategies.errors import BadTape

PLACES: Final = "record_end.npy"
RECORDS: Final = "records.bin"
RAW_DEFLATE: Final = -15  # no header and no checksum: the tape's digest is one
MAX_RECORD_BYTES: Final = 16 * 2**20
NOTHING: Final = b"\xff"  # in the digest, for a place without a record; no canonical text begins so

Ends = npt.NDArray[np.uint64]


class RecordWriter:
    """Rows of texts, written as they come. One text a column; None leaves its place empty."""

    __slots__ = ("_content", "_ends", "_file", "dictionaries")

    def __init__(self, file: BinaryIO, columns: int) -> None:
        self._file: Final = file
        self._content: Final = hashlib.sha256()
        self._ends: Final = list[int]()
        self.dictionaries: Final = [""] * columns  # the first text of each column

    def add_row(self, texts: Sequence[str | None]) -> None:
        """Adds the records of one row, in the order of their columns."""
        end = self._ends[-1] if self._ends else 0
        for column, text in enumerate(texts):
            if text is not None:
                self.dictionaries[column] = self.dictionaries[column] or text
                packer = zlib.compressobj(9, zlib.DEFLATED, RAW_DEFLATE, zdict=self.dictionaries[column].encode())
                end += self._file.write(packer.compress(text.encode()) + packer.flush())
            _count(self._content, text)
            self._ends.append(end)

    @property
    def ends(self) -> Ends:
        """Where each record ends, row after row."""
        return np.array(self._ends, dtype=np.uint64)

    def digest(self) -> bytes:
        """sha256 over every text in its order."""
        return self._content.digest()


class RecordFile:
    """The records of a folder, mapped. Raises BadTape where the file is not as long as its places say."""

    __slots__ = ("_bytes", "_columns", "_dictionaries", "_ends")

    def __init__(self, folder: Path, dictionaries: Sequence[str]) -> None:
        self._ends: Final[Ends] = np.load(folder / PLACES, mmap_mode="r")
        self._dictionaries: Final = tuple([text.encode() for text in dictionaries])
        self._columns: Final = len(dictionaries)
        size = (folder / RECORDS).stat().st_size
        if self._ends.dtype != np.uint64 or self._ends.ndim != 1 or not len(self._ends) or len(self._ends) % self._columns:
            raise BadTape(f"{PLACES} does not hold the places of {self._columns} records a row")
        if int(self._ends[-1]) != size:
            raise BadTape(f"{RECORDS} has {size} bytes; its last record ends at {self._ends[-1]}")
        self._bytes: Final[npt.NDArray[np.uint8]] = np.memmap(folder / RECORDS, dtype=np.uint8, mode="r")

    def __len__(self) -> int:
        return len(self._ends) // self._columns

    def text(self, row: int, column: int) -> str | None:
        """One record's text; None where there is none. Raises BadTape."""
        if not (0 <= row < len(self) and 0 <= column < self._columns):
            raise BadTape(f"it has no record in row {row}, column {column}")
        place = row * self._columns + column
        start, stop = int(self._ends[place - 1]) if place else 0, int(self._ends[place])
        if start == stop:
            return None
        packed = self._bytes[start:stop].tobytes()
        unpacker = zlib.decompressobj(RAW_DEFLATE, zdict=self._dictionaries[column])
        try:
            text = unpacker.decompress(packed, MAX_RECORD_BYTES)
            if not unpacker.eof or unpacker.unused_data:
                raise BadTape(f"the record in row {row}, column {column} is cut, or longer than {MAX_RECORD_BYTES} bytes")
            return text.decode()
        except (zlib.error, ValueError) as error:
            raise BadTape(f"the record in row {row}, column {column} cannot be read: {error}") from error

    def digest(self) -> bytes:
        """What `RecordWriter.digest` said of the same texts. Reads them all."""
        content = hashlib.sha256()
        for text in self._texts():
            _count(content, text)
        return content.digest()

    def _texts(self) -> Iterator[str | None]:
        for place in range(len(self._ends)):
            yield self.text(*divmod(place, self._columns))


def _count(content: "hashlib._Hash", text: str | None) -> None:
    """A length before each text: two records never read as one."""
    if text is None:
        content.update(NOTHING)
        return
    raw = text.encode()
    content.update(len(raw).to_bytes(8, "big") + raw)
