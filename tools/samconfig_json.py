"""Prints samconfig.toml as JSON, with the options that the SAM CLI knows: {"config": ..., "options": {command: [...]}}.

SAM ignores a key it does not know, so a misspelt one would only show after a deployment went wrong.
"""

import importlib
import json
import sys

import tomlkit

COMMANDS = {
    "build": "samcli.commands.build.command",
    "deploy": "samcli.commands.deploy.command",
    "logs": "samcli.commands.logs.command",
    "sync": "samcli.commands.sync.command",
    "validate": "samcli.commands.validate.validate",
}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        config = tomlkit.load(file).unwrap()
    options = {
        name: sorted({param.name for param in importlib.import_module(module).cli.params if param.name})
        for name, module in COMMANDS.items()
    }
    options["global"] = sorted(set().union(*options.values()))
    json.dump({"config": config, "options": options}, sys.stdout)


main()
