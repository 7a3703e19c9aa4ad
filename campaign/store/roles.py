"""The login of analysts and BI tools: it reads the schema `analytics`, and nothing else."""

from typing import Final

from psycopg import sql
from sqlalchemy import text

from campaign.domain.errors import BadInput, NotAllowed
from campaign.store.database import Tx

LONGEST_S: Final = 60
"""A statement of an analyst ends after so many seconds, unless they set another time for themselves."""
IDLE_S: Final = 300
"""A transaction that an analyst leaves open is ended after so long: its snapshot would keep dead rows."""


async def analyst(tx: Tx, name: str, password: str) -> bool:
    """Make the role, or give the one there is a new password and exactly these rights.

    Args:
        name: of the role, lower-case letters, digits and underscores.
        password: kept by Postgres only as a SCRAM verifier.
    Returns:
        Whether it is new.
    Raises:
        BadInput: no usable name, or a role that owns things or may more than log in.
        NotAllowed: this user of the database may not make roles.
    """
    if not (name.isascii() and name.replace("_", "a").isalnum() and name == name.lower() and len(name) < 60):
        raise BadInput(
            f'"{name[:80]}" is no name of a role.', "Use lower-case letters, digits and underscores."
        )
    may = await tx.execute(
        text("SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user")
    )
    if not may.scalar():
        raise NotAllowed(
            "The service's user of this database may not make roles.",
            f"Let an administrator of the database make the role {name} as docs/data-dictionary.md shows.",
        )
    known = (
        await tx.execute(
            text(
                """
                SELECT r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolbypassrls OR r.rolreplication
                       OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid)
                       OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid) AS more
                  FROM pg_roles r WHERE r.rolname = :name
                """
            ),
            {"name": name},
        )
    ).first()
    if known is not None and known.more:
        raise BadInput(
            f'The role "{name}" may do more than read, or owns tables: it is somebody else\'s.',
            "Choose another name with --name.",
        )
    role = sql.Identifier(name)
    statements = [
        sql.SQL("CREATE ROLE {} LOGIN NOINHERIT").format(role) if known is None else None,
        sql.SQL("ALTER ROLE {} LOGIN NOINHERIT PASSWORD {}").format(role, sql.Literal(password)),
        sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(role),
        sql.SQL("ALTER ROLE {} SET statement_timeout = {}").format(role, sql.Literal(f"{LONGEST_S}s")),
        sql.SQL("ALTER ROLE {} SET idle_in_transaction_session_timeout = {}").format(
            role, sql.Literal(f"{IDLE_S}s")
        ),
        sql.SQL("ALTER ROLE {} SET search_path = analytics").format(role),
        sql.SQL("GRANT USAGE ON SCHEMA analytics TO {}").format(role),
        sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA analytics TO {}").format(role),
        # views that a later version of the service adds
        sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA analytics GRANT SELECT ON TABLES TO {}").format(role),
    ]
    for statement in statements:
        if statement is not None:
            await tx.exec_driver_sql(statement.as_string().replace("%", "%%"))
    return known is None
