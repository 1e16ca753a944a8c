"""The lease in the database."""

from __future__ import annotations

import sqlalchemy as sa

from lockgate.store.keys import is_held
from lockgate.store.sql_tables import LEASE, named_errors


class SqlLease:
    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def acquire(self, name: str, holder: str, *, now_s: float, for_s: float) -> bool:
        with named_errors(), self._engine.begin() as db:
            held = db.execute(sa.select(LEASE).where(LEASE.c.name == name)).first()
            if held is None:
                db.execute(sa.insert(LEASE).values(name=name, holder=holder, until_s=now_s + for_s))
                return True
            if is_held(held.holder, held.until_s, holder, now_s=now_s, for_s=for_s):
                return False
            db.execute(sa.update(LEASE).where(LEASE.c.name == name).values(holder=holder, until_s=now_s + for_s))
            return True

    def release(self, name: str, holder: str) -> None:
        with named_errors(), self._engine.begin() as db:
            db.execute(sa.delete(LEASE).where(LEASE.c.name == name, LEASE.c.holder == holder))
