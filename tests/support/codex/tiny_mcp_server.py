"""An MCP server over standard input and output: one tool that destroys, one that asks the user, one without hints."""

import json
import sys
from typing import Any

TOOLS = [
    {"name": "destroy", "description": "Destroys what it is told.", "annotations": {"destructiveHint": True}},
    {"name": "ask", "description": "Asks for a name.", "annotations": {"readOnlyHint": True}},
]
FORM = {"type": "object", "properties": {"name": {"type": "string", "description": "Your name?"}}, "required": ["name"]}


def main() -> None:
    waiting: Any = None
    for line in sys.stdin:
        message = json.loads(line)
        number, method = message.get("id"), message.get("method")
        if method is None:
            _send(id=waiting, result=_said(json.dumps(message.get("result"))))
        elif method == "initialize":
            about = {"name": "tiny", "version": "1"}
            version = message["params"]["protocolVersion"]
            _send(id=number, result={"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about})
        elif method == "tools/list":
            schema = {"type": "object", "properties": {"path": {"type": "string"}}}
            _send(id=number, result={"tools": [{**tool, "inputSchema": schema} for tool in TOOLS]})
        elif method == "tools/call" and message["params"]["name"] == "ask":
            waiting = number
            _send(id=1000, method="elicitation/create", params={"message": "Who is it?", "requestedSchema": FORM})
        elif method == "tools/call":
            _send(id=number, result=_said(f"did {json.dumps(message['params'].get('arguments'))}"))
        elif number is not None:
            _send(id=number, error={"code": -32601, "message": "no such method"})


def _said(text: str) -> Any:
    return {"content": [{"type": "text", "text": text}]}


def _send(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
