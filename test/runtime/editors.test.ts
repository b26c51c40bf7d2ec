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
import { type CompletionSettings, lastCompletion, settingsChanged } from '../../src/protocol/runtime.ts';
import type { CompletionDependencies } from '../../src/runtime/completions.ts';
import { coveredAfterCursor, fittedToSuffix } from '../../src/runtime/inline/closing-characters.ts';
import { serve } from '../../src/runtime/server.ts';
import { scanBrackets } from '../../src/syntax/brackets.ts';
import { written } from './scripted-completions.ts';

const uri = 'file:///work/a.ts';

interface Item {
  readonly insertText: string;
  readonly range: { readonly start: Position; readonly end: Position };
}
interface Position {
  readonly line: number;
  readonly character: number;
}

/** An initialized server whose model is `infill`, and a client of it. */
async function connect(infill: (prefix: string, suffix: string) => string) {
  const [toServer, toClient] = [new PassThrough(), new PassThrough()];
  const asked: { prefix: string; suffix: string }[] = [];
  const model: CompletionDependencies['infill'] = async ({ prefix, suffix }) => {
    asked.push({ prefix, suffix });
    return written([infill(prefix, suffix)]);
  };
  serve(createConnection(ProposedFeatures.all, toServer, toClient), model);
  const connection = createMessageConnection(new StreamMessageReader(toClient), new StreamMessageWriter(toServer));
  connection.listen();
  await connection.sendRequest('initialize', { processId: null, rootUri: null, capabilities: {} });
  await connection.sendNotification('initialized', {});
  const completions: CompletionSettings = {
    ...defaultSettings.completions,
    eagerness: 'always',
    multiline: 'always',
    debounce: 0,
    prefetch: false,
    copies: false,
  };
  await connection.sendNotification(settingsChanged, { ...defaultSettings, completions });
  return {
    asked,
    connection,
    open: (text: string, languageId = 'typescript') =>
      connection.sendNotification('textDocument/didOpen', { textDocument: { uri, languageId, version: 1, text } }),
    change: (start: number, end: number, text: string) =>
      connection.sendNotification('textDocument/didChange', {
        textDocument: { uri, version: 2 },
        contentChanges: [{ range: { start: at(0, start), end: at(0, end) }, text }],
      }),
    complete: (position: Position, { document = uri, kind = 1, list = false } = {}) =>
      connection.sendRequest('textDocument/inlineCompletion', {
        textDocument: { uri: document },
        position,
        context: {
          triggerKind: kind,
          ...(list ? { selectedCompletionInfo: { range: { start: at(0, 0), end: at(0, 1) }, text: 'other' } } : {}),
        },
      }) as Promise<Item[]>,
  };
}

const at = (line: number, character: number): Position => ({ line, character });

describe('closing characters after the cursor', () => {
  // The text around the cursor, what the model writes, and the text after the suggestion was accepted.
  const cases: readonly [around: string, written: string, accepted: string][] = [
    ["describe('fi|')", "rst', () => {\n  run();\n});", "describe('first', () => {\n  run();\n});"],
    ["describe('fi|')", "rst', () => {", "describe('first')"],
    ["describe('fi|')", "rst')", "describe('first')"],
    ["describe('fi|');", "rst', () => {\n  run();\n});", "describe('first', () => {\n  run();\n});"],
    ['print("he|")', 'llo", end="")', 'print("hello", end="")'],
    ['f(|)', 'a, b) + g(c)', 'f(a, b) + g(c)'],
    ['f(|)', 'a, {', 'f(a)'],
    ['f(|)', 'x(1)', 'f(x(1))'],
    ['f(g(|))', 'x(1))', 'f(g(x(1)))'],
    ['const a = [|]', '1, [2, 3]]', 'const a = [1, [2, 3]]'],
    ['f({ |})', 'a: 1 }, () => { b(); })', 'f({ a: 1 }, () => { b(); })'],
    ['const s = `a|`', 'b`.trim()', 'const s = `ab`.trim()'],
    ['x = |"abc"', 'f(1) + ', 'x = f(1) + "abc"'],
    ["call(|) // don't", 'a, b)', "call(a, b) // don't"],
  ];
  for (const [around, text, accepted] of cases)
    it(`${around} with ${JSON.stringify(text)}`, async () => {
      const { open, complete, connection } = await connect(() => text);
      const position = at(0, around.indexOf('|'));
      await open(around.replace('|', ''));
      const [item] = await complete(position);
      const document = TextDocument.create(uri, 'typescript', 1, around.replace('|', ''));
      const changed = TextDocument.applyEdits(document, [{ range: item!.range, newText: item!.insertText }]);
      // White space between the suggestion and the text after the cursor is not part of the rule.
      assert.equal(changed.replace(/\s+(?=["')])/g, ''), accepted.replace(/\s+(?=["')])/g, ''));
      const { opens, closes } = scanBrackets(changed);
      assert.deepEqual([opens, closes], [[], []], 'the text is balanced');
      assert.deepEqual(item!.range.start, position);
      connection.dispose();
    });

  it('do not matter if other code follows', () => {
    const around = { prefix: 'if (', suffix: ' && b) {' };
    assert.equal(fittedToSuffix('f(', around), 'f(');
    assert.equal(coveredAfterCursor('a) {', around), 0);
  });
});

it('the same text with other line ends gets the same suggestions, in the line ends of the document', async () => {
  const lines = Array.from({ length: 20 }, (_, index) => `    int field${index};`);
  const text = ['class A {', ...lines, '    void f() {', '', '    }', ...lines, '}'];
  const asked: unknown[] = [];
  for (const lineEnd of ['\n', '\r\n']) {
    const server = await connect(() => '        a();\n        b();');
    await server.open(text.join(lineEnd), 'java');
    const [item] = await server.complete(at(22, 0));
    assert.equal(item!.insertText, `        a();${lineEnd}        b();`);
    assert.deepEqual(item!.range, { start: at(22, 0), end: at(22, 0) });
    asked.push(server.asked);
    server.connection.dispose();
  }
  assert.deepEqual(asked[0], asked[1]);
});

it('letters that an input method replaced are not kept in the cache', async () => {
  const { asked, open, change, complete, connection } = await connect((prefix) =>
    prefix.endsWith('= ') ? 'nihao();' : `after(${prefix.length});`,
  );
  await open('x = ');
  assert.equal((await complete(at(0, 4), { kind: 2 }))[0]!.insertText, 'nihao();');
  await change(4, 4, 'n');
  assert.equal((await complete(at(0, 5), { kind: 2 }))[0]!.insertText, 'ihao();');
  assert.equal(asked.length, 1, 'text that is typed as suggested is answered from the cache');
  // The input method writes "n", then "ni", and replaces it by the character that the user chose.
  await change(4, 5, 'ni');
  await complete(at(0, 6), { kind: 2 });
  assert.equal(asked.length, 1);
  await change(4, 6, '你');
  assert.equal((await complete(at(0, 5), { kind: 2 }))[0]!.insertText, 'after(5);');
  assert.equal(asked.length, 2);
  // The letters come back, and nothing that was made for them matches.
  await change(4, 5, 'ni');
  await complete(at(0, 6), { kind: 2 });
  assert.deepEqual(
    asked.map(({ prefix }) => prefix),
    ['x = ', 'x = 你', 'x = ni'],
  );
  connection.dispose();
});

it('a cell of a notebook sees the code of the cells before it', async () => {
  const { asked, connection, complete } = await connect(() => 'a(3)');
  const cells: [text: string, languageId: string, kind: 1 | 2][] = [
    ['%matplotlib inline\r\ndef area(r):\r\n    return 3 * r * r', 'python', 2],
    ['%%bash\necho "unclosed', 'python', 2],
    ["# It's *Markdown*", 'markdown', 1],
    ['%timeit are', 'python', 2],
    ['later = 1', 'python', 2],
  ];
  const cellUri = (index: number) => `vscode-notebook-cell:/work/a.ipynb#${index}`;
  await connection.sendNotification('notebookDocument/didOpen', {
    notebookDocument: {
      uri: 'file:///work/a.ipynb',
      notebookType: 'jupyter-notebook',
      version: 1,
      cells: cells.map(([, , kind], index) => ({ kind, document: cellUri(index) })),
    },
    cellTextDocuments: cells.map(([text, languageId], index) => ({
      uri: cellUri(index),
      languageId,
      version: 1,
      text,
    })),
  });
  const [item] = await complete(at(0, 11), { document: cellUri(3) });
  assert.deepEqual(asked, [{ prefix: 'def area(r):\n    return 3 * r * r\n\n%timeit are', suffix: '' }]);
  // One insertion at the cursor: the line keeps its magic, and undo removes the suggestion in one step.
  assert.deepEqual([item!.insertText, item!.range], ['a(3)', { start: at(0, 11), end: at(0, 11) }]);
  await connection.sendNotification('notebookDocument/didChange', {
    notebookDocument: { uri: 'file:///work/a.ipynb', version: 2 },
    change: {
      cells: {
        textContent: [
          {
            document: { uri: cellUri(0), version: 2 },
            changes: [{ range: { start: at(0, 0), end: at(2, 20) }, text: 'side = 2' }],
          },
        ],
      },
    },
  });
  await complete(at(0, 11), { document: cellUri(3) });
  assert.equal(asked[1]?.prefix, 'side = 2\n\n%timeit are');
  connection.dispose();
});

it('a suggestion is hidden while the list of suggestions is open', async () => {
  const { asked, connection, open, complete } = await connect(() => 'value();');
  await open('x = ');
  for (const kind of [1, 2]) assert.deepEqual(await complete(at(0, 4), { list: true, kind }), []);
  assert.equal(asked.length, 0);
  assert.equal(((await connection.sendRequest(lastCompletion)) as { outcome: string }).outcome, 'suggest-widget');
  assert.equal((await complete(at(0, 4))).length, 1);
  connection.dispose();
});

it('a position after the end of the document is refused, and one after the end of a line is that end', async () => {
  const { connection, open, complete } = await connect(() => 'value();');
  await open('x = \ny');
  for (const position of [at(2, 0), at(99, 3), at(1, 2)])
    await assert.rejects(complete(position), (error: Error & { code?: number }) => {
      assert.equal(error.code, -32602);
      assert.match(error.message, /is after the end of file:\/\/\/work\/a\.ts; send the changes/);
      return true;
    });
  const [item] = await complete(at(0, 50));
  assert.deepEqual(item!.range, { start: at(0, 4), end: at(0, 4) });
  connection.dispose();
});
