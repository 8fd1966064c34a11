"""The JSON schema that each real binary generates for itself, and checks of what we send against it."""

import functools
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import jsonschema
from tests.support.codex.binaries import codex_binary

_ANSWERS: Final = {
    "item/commandExecution/requestApproval": "CommandExecutionRequestApprovalResponse",
    "item/fileChange/requestApproval": "FileChangeRequestApprovalResponse",
    "item/permissions/requestApproval": "PermissionsRequestApprovalResponse",
    "item/tool/requestUserInput": "ToolRequestUserInputResponse",
    "item/tool/call": "DynamicToolCallResponse",
    "mcpServer/elicitation/request": "McpServerElicitationRequestResponse",
    "execCommandApproval": "ExecCommandApprovalResponse",
    "applyPatchApproval": "ApplyPatchApprovalResponse",
}


class ProtocolSchema:
    """What one version accepts. Unknown members are an error here: what we send should mean something."""

    def __init__(self, version: str) -> None:
        self.version = version
        self._document = _generated(version)
        definitions = self._document["definitions"]
        self._requests = _variants(definitions["ClientRequest"])
        self._notifications = _variants(definitions["ClientNotification"])

    def knows(self, method: str) -> bool:
        """Whether this version has the request."""
        return method in self._requests

    def check_request(self, method: str, params: Any) -> None:
        """Fail unless `params` fit."""
        self._check(self._requests[method], {"id": 1, "method": method, "params": params})

    def check_notification(self, message: Any) -> None:
        """Fail unless the notification fits."""
        self._check(self._notifications[message["method"]], message)

    def check_answer(self, method: str, result: Any) -> None:
        """Fail unless `result` answers the server's request `method`."""
        self._check({"$ref": f"#/definitions/{_ANSWERS[method]}"}, result)

    def check_message(self, message: Any) -> None:
        """Fail unless any message that is no answer fits; unknown methods are left to the server."""
        method = message.get("method")
        if method is None:
            return
        if "id" not in message:
            self.check_notification(message)
        elif self.knows(method):
            self.check_request(method, message.get("params"))

    def _check(self, schema: Any, value: Any) -> None:
        validator = jsonschema.Draft7Validator({**schema, "definitions": self._document["definitions"]})
        if "$ref" in schema:
            whole = {"allOf": [schema], "definitions": self._document["definitions"]}
            validator = jsonschema.Draft7Validator(whole)
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        assert error is None, f"{self.version}: {error.message} at {list(error.absolute_path)} in {value!r:.500}"


@functools.cache
def protocol_schema(version: str) -> ProtocolSchema:
    """The schema of `version`, generated once per process."""
    return ProtocolSchema(version)


def _variants(union: Any) -> dict[str, Any]:
    return {variant["properties"]["method"]["enum"][0]: variant for variant in union["oneOf"]}


def _generated(version: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        command = [str(codex_binary(version)), "app-server", "generate-json-schema", "--experimental", "--out", folder]
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "CODEX_HOME": folder}
        subprocess.run(command, check=True, capture_output=True, timeout=60, env=environment)
        return json.loads((Path(folder) / "codex_app_server_protocol.schemas.json").read_bytes())
