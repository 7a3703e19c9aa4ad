"""The data dictionary: what the views of the schema `analytics` say of themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a view: its name, PostgreSQL type and meaning."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True, slots=True)
class View:
    """A view of the schema `analytics`."""

    name: str
    comment: str
    columns: Sequence[Column]


async def views(tx: Tx) -> list[View]:
    """All views with their comments, as the database tells them."""
    rows = await tx.execute(
        text(
            """
            SELECT c.relname AS view, obj_description(c.oid, 'pg_class') AS view_comment, a.attname AS name,
                   format_type(a.atttypid, a.atttypmod) AS type, col_description(c.oid, a.attnum) AS comment
              FROM pg_class c
              JOIN pg_namespace n ON n.oid = c.relnamespace
              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             WHERE n.nspname = 'analytics' AND c.relkind = 'v'
             ORDER BY c.oid, a.attnum
            """
        )
    )
    found: dict[str, tuple[str, list[Column]]] = {}
    for row in rows:
        _, columns = found.setdefault(row.view, (row.view_comment or "", []))
        columns.append(Column(row.name, row.type, row.comment or ""))
    return [View(name, comment, columns) for name, (comment, columns) in found.items()]


def dictionary(found: Sequence[View]) -> str:
    """The data dictionary as Markdown (docs/data-dictionary.md)."""
    parts = [_HEAD]
    for view in found:
        parts.append(
            f"## analytics.{view.name}\n\n{view.comment}\n\n| column | type | meaning |\n|---|---|---|"
        )
        parts += [
            f"| `{c.name}` | {c.type} | {c.comment.replace('|', chr(92) + '|')} |" for c in view.columns
        ]
        parts.append("")
    return "\n".join(parts)


_HEAD = """\
# Data dictionary

The views of the schema `analytics` in the service's PostgreSQL, for psql, BI tools and notebooks. They only
read; a column keeps its name and meaning, and new ones are added at the end. Times are instants
(`timestamptz`) unless a column says otherwise; money and averages are `double precision`, so that every tool
reads them as numbers.

This page is made from the comments in the database (`python docs/tools/make_data_dictionary.py`); in psql
`\\d+ analytics.attempts` shows the same. A login that may read all of it, and nothing else, is made by
`campaign db analyst-role`; where the service's own user may not make roles, an administrator makes it:

```sql
CREATE ROLE analyst LOGIN;
GRANT USAGE ON SCHEMA analytics TO analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA analytics TO analyst;
ALTER ROLE analyst SET statement_timeout = '60s';
```

Some questions:

```sql
-- outcomes of one campaign
SELECT disposition, count(*), round(avg(seconds)) AS seconds
  FROM analytics.attempts WHERE campaign = 'Solar spring check-in' GROUP BY 1 ORDER BY 2 DESC;

-- when do people pick up, by the hour on their own clock?
SELECT extract(hour FROM local_time) AS hour, avg(answered::int) AS answer_rate, count(*)
  FROM analytics.attempts GROUP BY 1 ORDER BY 1;

-- who was not called, and why?
SELECT d.rule, count(DISTINCT d.contact_id), min(d.why) AS for_example
  FROM analytics.decisions d JOIN analytics.contacts c USING (campaign_id, contact_id)
 WHERE c.attempts = 0 AND d.rule_verdict = 'block' GROUP BY 1 ORDER BY 2 DESC;
```
"""
