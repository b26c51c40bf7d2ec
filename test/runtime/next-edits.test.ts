import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import {
  createConnection,
  createMessageConnection,
  ProposedFeatures,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { defaultSettings } from '../../src/protocol/default-settings.ts';
import {
  lastNextEdit,
  type NextEdit,
  type NextEditMode,
  type NextEditParameters,
  type NextEditTrace,
  nextEdit,
} from '../../src/protocol/next-edits.ts';
import { settingsChanged, snooze } from '../../src/protocol/runtime.ts';
import { serve } from '../../src/runtime/server.ts';
import { written } from './scripted-completions.ts';

const code = 'const total = 1;\nuse(total);\nlog(total, "total");\n';

/** An initialized server, and a client that edits one document. */
async function connect(text: string, { uri = 'file:///work/a.ts', mode }: { uri?: string; mode?: NextEditMode } = {}) {
  const [toServer, toClient] = [new PassThrough(), new PassThrough()];
  serve(createConnection(ProposedFeatures.all, toServer, toClient), async () => written(['']));
  const connection = createMessageConnection(new StreamMessageReader(toClient), new StreamMessageWriter(toServer));
  connection.listen();
  await connection.sendRequest('initialize', { processId: null, rootUri: null, capabilities: {} });
  await connection.sendNotification('initialized', {});
  const completions = { ...defaultSettings.completions, copies: false };
  await connection.sendNotification(settingsChanged, {
    ...defaultSettings,
    completions,
    ...(mode && { nextEdits: mode }),
  });
  let document = TextDocument.create(uri, 'typescript', 1, text);
  await connection.sendNotification('textDocument/didOpen', {
    textDocument: { uri, languageId: 'typescript', version: 1, text },
  });
  return {
    connection,
    text: () => document.getText(),
    ask: (changes: Partial<NextEditParameters> = {}) =>
      connection.sendRequest(nextEdit, {
        textDocument: { uri, version: document.version },
        trigger: 'invoked',
        ...changes,
      }) as Promise<NextEdit | null>,
    trace: () => connection.sendRequest(lastNextEdit) as Promise<NextEditTrace | null>,
    /** Replaces the first place of a text. */
    async change(before: string, after: string) {
      const start = document.getText().indexOf(before);
      const range = { start: document.positionAt(start), end: document.positionAt(start + before.length) };
      await this.apply({ range, newText: after });
    },
    async apply({ range, newText }: Pick<NextEdit, 'range' | 'newText'>) {
      const version = document.version + 1;
      document = TextDocument.update(document, [{ range, text: newText }], version);
      await connection.sendNotification('textDocument/didChange', {
        textDocument: { uri, version },
        contentChanges: [{ range, text: newText }],
      });
    },
  };
}

describe('next edits over the protocol', () => {
  it('follow from the edits of a document, one after the other, and are explained', async () => {
    const client = await connect(code);
    assert.equal(await client.trace(), null);
    assert.equal(await client.ask(), null);
    assert.equal((await client.trace())?.outcome, 'no-edit');
    await client.change('total', 'sum');
    for (const line of [1, 2]) {
      const edit = (await client.ask())!;
      assert.deepEqual([edit.source, edit.label, edit.newText], ['text-rename', 'Rename total to sum', 'sum']);
      assert.equal(edit.range.start.line, line);
      const trace = (await client.trace())!;
      assert.deepEqual([trace.id, trace.outcome, trace.trigger], [edit.id, 'proposed', 'invoked']);
      assert.equal(trace.proposals[0]!.line, line);
      await client.apply(edit);
    }
    assert.equal(client.text(), 'const sum = 1;\nuse(sum);\nlog(sum, "total");\n');
    assert.equal(await client.ask(), null);
    assert.equal((await client.trace())?.outcome, 'none');
    client.connection.dispose();
  });

  it('keep to the references that the client sent, in the version in which it found them', async () => {
    const client = await connect(code);
    await client.change('total', 'sum');
    await client.change('use(', 'print(');
    const range = { start: { line: 2, character: 4 }, end: { line: 2, character: 9 } };
    const edit = (await client.ask({ references: { version: 1, ranges: [range] } }))!;
    assert.deepEqual([edit.source, edit.range], ['rename', range]);
    client.connection.dispose();
  });

  it('are none for another version, and for a version that is edited meanwhile', async () => {
    const client = await connect(code);
    await client.change('total', 'sum');
    const late = client.ask();
    await client.change('use', 'print');
    const stale = await client.ask({ textDocument: { uri: 'file:///work/a.ts', version: 2 } });
    assert.equal(stale, null);
    assert.equal((await client.trace())?.outcome, 'stale');
    const answer = await late;
    assert.ok(answer === null || answer.version === 2);
    client.connection.dispose();
  });

  it('depend on the setting, the trigger and the snooze', async () => {
    const off = await connect(code, { mode: 'off' });
    await off.change('total', 'sum');
    assert.equal(await off.ask(), null);
    assert.equal((await off.trace())?.outcome, 'off');
    const onRequest = await connect(code);
    await onRequest.change('total', 'sum');
    assert.equal(await onRequest.ask({ trigger: 'automatic' }), null);
    assert.ok(await onRequest.ask());
    const automatic = await connect(code, { mode: 'automatic' });
    await automatic.change('total', 'sum');
    const edit = await automatic.ask({ trigger: 'automatic' });
    const { outcome, proposals } = (await automatic.trace())!;
    assert.ok(edit ? edit.chance >= 0.5 : outcome === 'unlikely' && proposals[0]!.chance < 0.5);
    await automatic.connection.sendNotification(snooze, { until: Date.now() + 60_000 });
    assert.equal(await automatic.ask({ trigger: 'automatic' }), null);
    assert.equal((await automatic.trace())?.outcome, 'snoozed');
    for (const { connection } of [off, onRequest, automatic]) connection.dispose();
  });

  it('are none in files with secrets', async () => {
    const key = `const key = "AKIA${'A1B2C3D4E5F6G7H8'}";\n`;
    for (const client of [
      await connect(code, { uri: 'file:///work/.env' }),
      await connect(`${key}${code}`, { uri: 'untitled:Untitled-1' }),
    ]) {
      await client.change('total', 'sum');
      assert.equal(await client.ask(), null);
      assert.equal((await client.trace())?.outcome, 'left-out');
      client.connection.dispose();
    }
  });

  it('have the line breaks of the document, also in one without a file', async () => {
    const client = await connect(code.replaceAll('\n', '\r\n'), { uri: 'untitled:Untitled-1' });
    await client.change('total', 'sum');
    await client.apply((await client.ask())!);
    assert.equal(client.text(), 'const sum = 1;\r\nuse(sum);\r\nlog(total, "total");\r\n');
    client.connection.dispose();
  });

  it('are refused with the code for invalid parameters if the request is malformed', async () => {
    const client = await connect(code);
    for (const changes of [
      { trigger: 'sometimes' },
      { textDocument: { uri: 'file:///work/a.ts' } },
      { references: { version: 1, ranges: [{ start: { line: -1, character: 0 }, end: { line: 0, character: 0 } }] } },
      { references: { version: 1 } },
    ])
      await assert.rejects(client.ask(changes as never), { code: -32602 });
    // Ranges outside of the document are ignored.
    await client.change('total', 'sum');
    const far = { start: { line: 900, character: 0 }, end: { line: 900, character: 5 } };
    assert.equal((await client.ask({ references: { version: 1, ranges: [far] } }))?.source, 'text-rename');
    client.connection.dispose();
  });
});
