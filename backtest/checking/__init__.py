"""What is wrong with recorded rates, found before a strategy sees them: marks for cells, findings for people. Repairs nothing:
a cell is kept, kept and marked, or left unsaid."""

from backtest.checking.marks import REFUSING, Finding, Mark, marks_of, refusing

__all__ = ["REFUSING", "Finding", "Mark", "marks_of", "refusing"]
