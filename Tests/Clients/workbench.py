"""Trials of the `workbench` server with every client library: notes, memory, tables, resources, prompts, completion.

The names below are the whole of what the trials know about the server's interface.
"""

import asyncio
import uuid

from agents import INVALID_PARAMS, refusal
from harness import Trials, expect, expect_equal

SAVE_NOTE, READ_NOTE, LIST_NOTES, DELETE_NOTE, SEARCH_NOTES = (
    "save_note",
    "read_note",
    "list_notes",
    "delete_note",
    "search_notes",
)
REMEMBER, RECALL, FORGET, LIST_MEMORY = "remember", "recall", "forget", "list_memory"
CREATE_TABLE, INSERT_ROWS, QUERY_TABLE, DESCRIBE_TABLE, DROP_TABLE = (
    "create_table",
    "insert_rows",
    "query_table",
    "describe_table",
    "drop_table",
)
TOOLS = {
    SAVE_NOTE,
    READ_NOTE,
    LIST_NOTES,
    DELETE_NOTE,
    SEARCH_NOTES,
    REMEMBER,
    RECALL,
    FORGET,
    LIST_MEMORY,
    CREATE_TABLE,
    INSERT_ROWS,
    QUERY_TABLE,
    DESCRIBE_TABLE,
    DROP_TABLE,
}


def note(title, text):
    return {"title": title, "text": text}


def note_named(title):
    return {"title": title}


def entry(key, value):
    return {"key": key, "value": value}


def table(name, columns):
    return {"name": name, "columns": columns}


def rows(name, values):
    return {"table": name, "rows": values}


def query(name, **clauses):
    return {"table": name} | clauses


def dropped(name):
    return {"name": name}


# Whose state the trials use: with a principal every call finds the same notes, in both eras.
PRINCIPAL, SOMEONE_ELSE = "alice", "bob"

GUIDE = "workbench://guide"
NOTE_TEMPLATE, NOTE_TEMPLATE_ARGUMENT = "note:///{title}", "title"
SUMMARIZE, TOPIC = "summarize_notes", "topic"

# Legacy revisions have a code of their own for a resource that does not exist.
MISSING_RESOURCE = {"2026-07-28": INVALID_PARAMS}
MISSING_RESOURCE_LEGACY = -32002

trials = Trials()


def fresh(word):
    """A name no other trial uses: the server's state is shared by all of them."""
    return f"{word}-{uuid.uuid4().hex[:12]}"


async def done(session, name, arguments):
    """The text of a call that must succeed."""
    outcome = await session.call(name, arguments)
    expect(not outcome.failed, f"{name} failed: {outcome.text}")
    return outcome.text


async def failed(session, name, arguments):
    """The text of a call that must fail as a tool."""
    outcome = await session.call(name, arguments)
    expect(outcome.failed, f"{name}({arguments}) succeeded: {outcome.text}")
    expect(outcome.text, f"{name} failed without a word")
    return outcome.text


@trials
async def the_tools_of_the_workbench_are_listed(agent, servers):
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        names = set(await session.tools())
        expect(TOOLS <= names, f"missing: {sorted(TOOLS - names)}")


@trials
async def a_note_is_saved_found_and_deleted(agent, servers):
    title, text = fresh("groceries"), fresh("oat milk und Brötchen")
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        await done(session, SAVE_NOTE, note(title, text))
        expect(text in await done(session, READ_NOTE, note_named(title)), "read_note lost the text")
        expect(title in await done(session, LIST_NOTES, {}), "list_notes lost the title")
        expect(title in await done(session, SEARCH_NOTES, {"query": text}), "search_notes did not find it")
        await done(session, DELETE_NOTE, note_named(title))
        await failed(session, READ_NOTE, note_named(title))
        expect(title not in await done(session, LIST_NOTES, {}), "list_notes kept the title")


@trials
async def the_second_saving_of_a_note_replaces_the_first(agent, servers):
    title = fresh("draft")
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        await done(session, SAVE_NOTE, note(title, "the first version"))
        await done(session, SAVE_NOTE, note(title, "the second version"))
        text = await done(session, READ_NOTE, note_named(title))
        expect("second" in text and "first" not in text, f"read {text!r}")


@trials
async def what_is_remembered_is_recalled_until_forgotten(agent, servers):
    key = fresh("colour")
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        await failed(session, RECALL, {"key": key})
        await done(session, REMEMBER, entry(key, "teal"))
        expect("teal" in await done(session, RECALL, {"key": key}), "recall lost the value")
        expect(key in await done(session, LIST_MEMORY, {}), "list_memory lost the key")
        await done(session, FORGET, {"key": key})
        await failed(session, RECALL, {"key": key})


@trials
async def rows_of_a_table_come_back_in_order_and_within_the_limit(agent, servers):
    name = fresh("birds").replace("-", "_")
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        await done(session, CREATE_TABLE, table(name, ["name", "grams"]))
        values = [{"name": "swift", "grams": 40}, {"name": "wren", "grams": 9}, {"name": "swan", "grams": 11000}]
        await done(session, INSERT_ROWS, rows(name, values))
        expect("grams" in await done(session, DESCRIBE_TABLE, {"table": name}), "describe_table lost a column")
        text = await done(session, QUERY_TABLE, query(name, order_by="grams", limit=2))
        expect("swan" not in text, f"the limit was passed: {text}")
        expect(0 <= text.find("wren") < text.find("swift"), f"the order is wrong: {text}")
        await done(session, DROP_TABLE, dropped(name))
        await failed(session, QUERY_TABLE, query(name))


@trials
async def one_principal_never_sees_the_state_of_another(agent, servers):
    title, key = fresh("diary"), fresh("secret")
    async with (
        agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as mine,
        agent.connect(servers.workbench.url, servers.tokens[SOMEONE_ELSE]) as theirs,
    ):
        await done(mine, SAVE_NOTE, note(title, "dear diary"))
        await done(mine, REMEMBER, entry(key, "hush"))
        await failed(theirs, READ_NOTE, note_named(title))
        await failed(theirs, RECALL, {"key": key})
        await refusal(theirs.read(NOTE_TEMPLATE.replace("{title}", title)))
        expect(title not in await done(theirs, LIST_NOTES, {}), "the title is listed to someone else")
        expect(
            title not in await theirs.complete_template(NOTE_TEMPLATE, NOTE_TEMPLATE_ARGUMENT, title[:-4]),
            "the title is completed for someone else",
        )
        await done(theirs, SAVE_NOTE, note(title, "not yours"))
        expect("dear diary" in await done(mine, READ_NOTE, note_named(title)), "someone else overwrote the note")


@trials
async def what_one_connection_stores_the_next_one_finds(agent, servers):
    title = fresh("bridge")
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        await done(session, SAVE_NOTE, note(title, "mind the gap"))
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        expect("mind the gap" in await done(session, READ_NOTE, note_named(title)), "the note is gone")


@trials
async def rows_inserted_at_the_same_time_all_arrive(agent, servers):
    name = fresh("flock").replace("-", "_")
    birds = [f"bird-{number:03}" for number in range(40)]
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        await done(session, CREATE_TABLE, table(name, ["name"]))
        await asyncio.gather(*(done(session, INSERT_ROWS, rows(name, [{"name": bird}])) for bird in birds))
        text = await done(session, QUERY_TABLE, query(name, limit=len(birds)))
        missing = [bird for bird in birds if bird not in text]
        expect(not missing, f"{len(missing)} of {len(birds)} rows are missing")
        await done(session, DROP_TABLE, dropped(name))


@trials
async def a_resource_is_listed_and_read(agent, servers):
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        expect(GUIDE in await session.resources(), "the guide is not listed")
        expect(len(await session.read(GUIDE)) > 0, "the guide is empty")


@trials
async def a_note_is_read_as_a_resource_of_its_template(agent, servers):
    title, text = fresh("mountain"), "a quiet place"
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        expect(NOTE_TEMPLATE in await session.templates(), "the template is not listed")
        await done(session, SAVE_NOTE, note(title, text))
        expect(text in await session.read(NOTE_TEMPLATE.replace("{title}", title)), "the note lost its text")


@trials
async def a_missing_resource_has_the_code_of_its_era(agent, servers):
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        code = MISSING_RESOURCE.get(session.revision, MISSING_RESOURCE_LEGACY)
        for uri in (
            NOTE_TEMPLATE.replace("{title}", fresh("nowhere")),
            "workbench://no-such-resource",
            "unknown:///scheme",
        ):
            expect_equal((await refusal(session.read(uri))).code, code, f"code for {uri}")


@trials
async def a_prompt_is_listed_and_filled_in(agent, servers):
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        expect(SUMMARIZE in await session.prompts(), "the prompt is not listed")
        topic = fresh("birds")
        await done(session, SAVE_NOTE, note(topic, f"about {topic}"))
        expect(topic in await session.prompt(SUMMARIZE, {TOPIC: topic}), "the prompt lost its topic")


@trials
async def an_unknown_prompt_and_a_missing_argument_are_refused(agent, servers):
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        expect_equal((await refusal(session.prompt("no_such_prompt", {}))).code, INVALID_PARAMS, "unknown prompt")
        expect_equal((await refusal(session.prompt(SUMMARIZE, {}))).code, INVALID_PARAMS, "missing argument")


@trials
async def a_title_is_completed_from_the_notes(agent, servers):
    title = fresh("zebra")
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        await done(session, SAVE_NOTE, note(title, "stripes"))
        values = await session.complete_template(NOTE_TEMPLATE, NOTE_TEMPLATE_ARGUMENT, title[:-4])
        expect(title in values, f"completed to {values}")
        values = await session.complete_template(NOTE_TEMPLATE, NOTE_TEMPLATE_ARGUMENT, fresh("nothing"))
        expect_equal(values, [], "completion of what does not exist")


@trials
async def a_topic_is_completed(agent, servers):
    title = fresh("okapi")
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        await done(session, SAVE_NOTE, note(title, f"all about {title}"))
        values = await session.complete_prompt(SUMMARIZE, TOPIC, title[:-4])
        expect(isinstance(values, list) and len(values) <= 100, f"completed to {values}")


@trials
async def two_hundred_notes_survive_side_by_side(agent, servers):
    titles = [fresh(f"note-{number}") for number in range(200)]
    async with agent.connect(servers.workbench.url, servers.tokens[PRINCIPAL]) as session:
        await asyncio.gather(*(done(session, SAVE_NOTE, note(title, f"text of {title}")) for title in titles))
        for title in titles[::20]:
            expect(f"text of {title}" in await done(session, READ_NOTE, note_named(title)), f"{title} lost its text")
        listed = await done(session, LIST_NOTES, {})
        missing = [title for title in titles if title not in listed]
        expect(not missing, f"{len(missing)} notes are not listed")
        await asyncio.gather(*(done(session, DELETE_NOTE, note_named(title)) for title in titles))
