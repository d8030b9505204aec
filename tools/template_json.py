"""Prints template.yaml as JSON: {"sam": as written, "cfn": as SAM expands it for CloudFormation}.

The tests of the template read this, so that they see what AWS will see: the expanded roles too, with whatever SAM
adds to them. Short forms (!Ref) come out as long ones ({"Ref": ...}).
"""

import json
import sys

from samcli.yamlhelper import yaml_parse
from samtranslator.public.sdk.template import SamTemplate
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.translator import Translator
from samtranslator.parser.parser import Parser


def managed_policies():
    """The managed policies that SAM itself may attach, without asking an account for all of them."""
    loader = ManagedPolicyLoader(None)
    loader._policy_map = {
        name: f"arn:aws:iam::aws:policy/service-role/{name}"
        for name in ("AWSLambdaBasicExecutionRole", "AWSLambdaSQSQueueExecutionRole", "AWSXrayWriteOnlyAccess")
    }
    return loader


def expand(template):
    for _, resource in SamTemplate(template).iterate():
        if resource.type == "AWS::Serverless::Function":
            resource.properties["CodeUri"] = "s3://bucket/key"  # sam build and deploy put the real one here
        if resource.type == "AWS::Serverless::StateMachine":
            resource.properties["DefinitionUri"] = "s3://bucket/key"  # as above
    translator = Translator(managed_policies().load(), Parser())
    return translator.translate(sam_template=template, parameter_values={})


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    json.dump({"sam": yaml_parse(text), "cfn": expand(yaml_parse(text))}, sys.stdout)


main()
