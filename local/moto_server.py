"""DynamoDB for the local run: moto's server on 127.0.0.1, port as the only argument.

moto is taken as it is but for two things, each named here:

* One request at a time. moto reads, checks and writes an item in steps; two threads in between could both pass a
  condition that only one may pass.
* A transaction remembers the items it touches. moto makes a deep copy of every table a transaction names, which would
  make each transaction as slow as its table is large.
"""

import copy
import sys
import types

from moto.dynamodb import models
from moto.dynamodb.models.table import Table
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class QuietHandler(WSGIRequestHandler):
    """The gateway in front counts and logs requests."""

    def log_request(self, code="-", size="-"):
        pass


def touched(backend, transact_items):
    """Returns table, key and a copy of the present item for each entry of a transaction."""
    saved = []
    for entry in transact_items:
        kind, op = next(iter(entry.items()))
        table = backend.get_table(op["TableName"])
        attributes = op["Item"] if kind == "Put" else op["Key"]
        names = [n for n in (table.hash_key_attr, table.range_key_attr) if n]
        key = {n: attributes[n] for n in names}
        saved.append((op["TableName"], key, copy.deepcopy(backend.get_item(op["TableName"], key))))
    return saved


def make_transactions_cheap():
    """Wraps moto's transaction: it sees the tables themselves instead of copies, and a failure restores the items."""
    original = models.DynamoDBBackend.transact_write_items
    models.copy = types.SimpleNamespace(
        copy=copy.copy, deepcopy=lambda x: x if isinstance(x, Table) else copy.deepcopy(x)
    )

    def transact_write_items(self, transact_items):
        saved = touched(self, transact_items)
        try:
            return original(self, transact_items)
        except Exception:
            for table, key, item in saved:
                self.delete_item(table, key)
                if item is not None:
                    self.put_item(table, item.to_json()["Attributes"])
            raise

    models.DynamoDBBackend.transact_write_items = transact_write_items


if __name__ == "__main__":
    make_transactions_cheap()
    application = DomainDispatcherApplication(create_backend_app)
    make_server("127.0.0.1", int(sys.argv[1]), application, threaded=False, request_handler=QuietHandler).serve_forever()
