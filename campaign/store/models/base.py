"""What every table is made with: the names of constraints, and the columns that many have."""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

EMPTY_OBJECT = sa.text("'{}'::jsonb")
EMPTY_LIST = sa.text("'[]'::jsonb")
EMPTY_TEXTS = sa.text("'{}'::text[]")


def key() -> sa.Column[int]:
    """`id`, counted by the database."""
    return sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True)


def instant(name: str, *, null: bool = True) -> sa.Column[object]:
    """A point in time."""
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null)


def one_of(column: str, *values: str) -> sa.CheckConstraint:
    """A text column holds one of these words."""
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def reference(name: str, target: str, *, null: bool = False, cascade: bool = False) -> sa.Column[int]:
    """A row of another table, by its key. `cascade`: goes with it."""
    return sa.Column(
        name,
        sa.BigInteger,
        sa.ForeignKey(target, ondelete="CASCADE" if cascade else None),
        nullable=null,
    )
