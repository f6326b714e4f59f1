"""Write the lines that odd and broken input is answered with, for the documentation.

python -m tools.bad_input_table
"""

import json
import tempfile
from pathlib import Path

from tests.trust.bad_inputs.rows import Row
from tests.trust.bad_inputs.running import judged, write_valid
from tests.trust.bad_inputs.table import PRINTED, TABLE, PrintedRow, printed


def main() -> None:
    """Run every row once, with the first of its verbs."""
    with tempfile.TemporaryDirectory() as folder:
        valid = Path(folder) / "valid"
        valid.mkdir()
        write_valid(valid)
        content = {title: [_printed(row, valid) for row in rows] for title, rows in TABLE.items()}
    PRINTED.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{sum(map(len, content.values()))} rows in {PRINTED}")


def _printed(row: Row, valid: Path) -> PrintedRow:
    with tempfile.TemporaryDirectory() as folder:
        return printed(row, judged(row, row.verbs[0], valid, Path(folder)))


if __name__ == "__main__":
    main()
