"""Uses `qsef mcp` as any client does, with the Python SDK of MCP, and prints what it heard as JSON. Its argument is the command."""

import asyncio
import json
import os
import sys

from mcp import Client, StdioServerParameters


async def main(command: str) -> None:
    environment = {name: os.environ[name] for name in ("QSEF_HOME", "QSEF_MODELS")}
    server = StdioServerParameters(command=command, args=["mcp", "--experts"], env=environment)
    progress = []

    async def note(done, total, message):
        progress.append([done, total, message])

    async with Client(server) as client:
        tools = await client.list_tools()
        query = 'What is 15% of 240 km in miles? Then count the words in "a b c".'
        answer = await client.call_tool("ask", {"query": query}, progress_callback=note)
        expert = await client.call_tool("calculate", {"task": "What is 2 * 12?"})
        failed = await client.call_tool("ask", {"query": ""})
    print(json.dumps({
        "tools": [tool.name for tool in tools.tools],
        "answer": answer.content[0].text,
        "document": answer.structured_content,
        "progress": progress,
        "expert": expert.content[0].text,
        "failed": failed.is_error,
    }))


asyncio.run(main(sys.argv[1]))
