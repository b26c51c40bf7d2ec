import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EditLog } from '../../src/edits/edit-log.ts';
import { chancesOf } from '../../src/edits/gate.ts';
import type { WorkspaceLine } from '../../src/edits/missing-import.ts';
import { type EditContext, proposeEdits } from '../../src/edits/next-edits.ts';
import { occurrencesOf } from '../../src/edits/tokens.ts';
import { Random } from '../../src/platform/random.ts';
import { applyEdit, minimalEdit, type TextEdit } from '../../src/protocol/text-edit.ts';

type Change = readonly [before: string, after: string, occurrence?: number];

/** A document after some changes, each of one place of a text. */
function edited(text: string, changes: readonly Change[]) {
  const log = new EditLog(1);
  let now = text;
  for (const [index, [before, after, occurrence = 0]] of changes.entries()) {
    const { start, end } = occurrencesOf(before, now)[occurrence]!;
    const change = minimalEdit(now, { start, end, text: after });
    log.record(now, [change], index + 2, 1_000 * index);
    now = applyEdit(now, change);
  }
  return { text: now, log };
}

/** All proposals: the source, and the lines that change as they become. */
async function proposed(
  text: string,
  changes: readonly Change[],
  context: EditContext = {},
  languageId = 'typescript',
) {
  const document = edited(text, changes);
  const proposals = await proposeEdits({ name: '/w/a.ts', languageId, ...document }, context);
  return proposals.map((proposal) => {
    const after = applyEdit(document.text, proposal).split('\n');
    const before = document.text.split('\n');
    const changed = after.filter((line, index) => line !== before[index] && !before.includes(line));
    return { source: proposal.source, line: changed.join('\n'), label: proposal.label, chance: proposal.chance };
  });
}

const linesOf = (proposals: readonly { readonly line: string }[]): string[] => proposals.map(({ line }) => line).sort();

describe('a rename that is carried on', () => {
  const code = 'const total = 1;\nuse(total);\n// total\nlog("total", total);\nconst subtotal = totals;\n';

  it('proposes the other places in code, and says that they are found in the text', async () => {
    const proposals = await proposed(code, [['total', 'sum']]);
    assert.deepEqual(linesOf(proposals), ['log("total", sum);', 'use(sum);']);
    for (const { source, label } of proposals)
      assert.deepEqual([source, label], ['text-rename', 'Rename total to sum']);
  });

  it('proposes exactly the references that were sent, followed through later edits', async () => {
    // The place in the last line, in the version before the rename.
    const start = code.indexOf('total);\nconst');
    const context = { references: { version: 1, spans: [{ start, end: start + 5 }] } };
    const proposals = await proposed(code, [['total', 'sum']], context);
    assert.deepEqual(
      proposals.map(({ source, line }) => [source, line]),
      [['rename', 'log("total", sum);']],
    );
  });

  it('ends when all places are renamed, and does not begin with a keyword', async () => {
    const all: Change[] = [
      ['total', 'sum'],
      ['total', 'sum'],
      ['total);', 'sum);'],
    ];
    assert.deepEqual(await proposed('const total = 1;\nf(total);\ng(total);\n', all), []);
    assert.deepEqual(
      (await proposed('const a = 1;\nlet b = 2;\nconst c = 3;\n', [['const', 'let']])).filter(({ source }) =>
        source.includes('rename'),
      ),
      [],
    );
  });
});

describe('a repeated edit', () => {
  it('replaces the same text at its next places', async () => {
    const calls = 'console.log(a);\nconsole.log(b);\nrun(console.log);\n';
    const proposals = await proposed(calls, [['console.log', 'logger.info']]);
    assert.deepEqual(linesOf(proposals), ['logger.info(b);', 'run(logger.info);']);
    assert.equal(proposals[0]!.source, 'repeat');
  });

  it('wraps another token in lines of the same shape, also if the wrap was typed in two places', async () => {
    const lines = 'const o = {\n  a: first,\n  b: second,\n  c: third(),\n};\n';
    const once: Change[] = [['first', 'String(first)']];
    const halves: Change[] = [
      ['first', 'String(first'],
      ['first', 'first)'],
    ];
    for (const changes of [once, halves])
      assert.ok(linesOf(await proposed(lines, changes)).includes('  b: String(second),'), JSON.stringify(changes));
    assert.ok(!linesOf(await proposed(lines, once)).some((line) => line.includes('third')));
  });

  it('varies the inserted text with the names of the line', async () => {
    const lines = '  this.left = 0;\n  this.top = 0;\n';
    const proposals = await proposed(lines, [['0', 'options.left']]);
    assert.ok(linesOf(proposals).includes('  this.top = options.top;'));
  });

  it('changes the same part of other words and strings, not where it was changed already', async () => {
    const imports = "import a from './a';\nimport b from './b';\nimport c from './c.js';\n";
    const proposals = await proposed(imports, [["'./a'", "'./a.js'"]]);
    assert.deepEqual(linesOf(proposals), ["import b from './b.js';"]);
    const calls = 'getUser();\ngetOrder();\n';
    assert.deepEqual(linesOf(await proposed(calls, [['getUser', 'fetchUser']])), ['fetchOrder();']);
  });

  it('keeps to strings if the first one was in a string', async () => {
    const code = 'f("grey sky");\ng("grey sea");\nconst grey = 1;\n';
    const proposals = await proposed(code, [['grey', 'blue']]);
    assert.deepEqual(linesOf(proposals), ['g("blue sea");']);
  });
});

describe('a call after its function changed', () => {
  it('loses the argument of a removed parameter', async () => {
    const proposals = await proposed('function f(a, b) {}\nf(1, [2]);\nf(3);\n', [['a, b', 'a']]);
    assert.deepEqual(
      proposals.map(({ source, line }) => [source, line]),
      [['call-site', 'f(1);']],
    );
  });

  it('gets an argument for a new parameter, unless it is optional', async () => {
    const code = 'class A {\n  f(a: number) {}\n  g() {\n    this.f(1);\n  }\n}\n';
    const added = await proposed(code, [['a: number', 'log: Log, a: number']]);
    assert.deepEqual(
      added.map(({ source, line }) => [source, line]),
      [['call-site', '    this.f(log, 1);']],
    );
    const optional = await proposed(code, [['a: number', 'a: number, log?: Log']]);
    assert.deepEqual(
      optional.filter(({ source }) => source === 'call-site'),
      [],
    );
    const python = await proposed('def f(a):\n    return a\n\nf(1)\n', [['(a)', '(a, b)']], {}, 'python');
    assert.deepEqual(linesOf(python), ['f(1, b)']);
  });
});

describe('a missing import', () => {
  const workspace =
    (...lines: WorkspaceLine[]) =>
    (word: string) =>
      lines.filter(({ line }) => line.includes(word));
  const read = { file: '/w/b.ts', line: "import { readFile } from 'node:fs/promises';" };

  it('is written below the last import, in its style, or among the names of the same module', async () => {
    const context = { linesWith: workspace(read) };
    const below = await proposed('import a from "a"\n\nconst y = 1\n', [['1', 'readFile(a)']], context);
    assert.deepEqual(
      below.map(({ source, line }) => [source, line]),
      [['import', 'import { readFile } from "node:fs/promises"']],
    );
    const among = await proposed(
      "import { stat } from 'node:fs/promises';\nstat(1);\n",
      [['1', 'readFile(a)']],
      context,
    );
    assert.deepEqual(linesOf(among), ["import { stat, readFile } from 'node:fs/promises';"]);
  });

  it('is relative to the document, and left out if files import the name in several ways', async () => {
    const own = { file: '/w/lib/b.ts', line: "import { sum } from '../math/sum.ts';" };
    const context = { linesWith: workspace(own) };
    const relative = await proposed('use(1);\nrun();\n', [['1', 'sum(2)']], context);
    assert.match(relative[0]!.line, /^import \{ sum \} from '\.\/math\/sum\.ts';/);
    const both = { linesWith: workspace(own, { file: '/w/c.ts', line: "import { sum } from 'lodash';" }) };
    assert.deepEqual(await proposed('use(1);\nrun();\n', [['1', 'sum(2)']], both), []);
  });

  it('is not proposed for declarations, members, keys and names that the document has', async () => {
    const context = { linesWith: workspace(read) };
    for (const [text, change] of [
      ['const y = 1;\n', ['y', 'readFile']],
      ['a.b;\n', ['b', 'readFile']],
      ['const o = { b: 1 };\n', ['b', 'readFile']],
      ['use("b");\n', ['b', 'readFile']],
      ['function readFile() {}\nuse(b);\n', ['b', 'readFile']],
    ] as const)
      assert.deepEqual(
        (await proposed(text, [change], context)).filter(({ source }) => source === 'import'),
        [],
        text,
      );
  });

  it('knows the forms of Python and of require', async () => {
    const numpy = { linesWith: workspace({ file: '/w/b.py', line: 'import numpy as np' }) };
    const python = await proposed('import os\n\ny = 1\n', [['1', 'np.zeros(3)']], numpy, 'python');
    assert.deepEqual(linesOf(python), ['import numpy as np']);
    const required = { linesWith: workspace({ file: '/w/b.js', line: "const { join } = require('path');" }) };
    const common = await proposed("const fs = require('fs');\nuse(1);\n", [['1', 'join(2)']], required, 'javascript');
    assert.deepEqual(linesOf(common), ["const { join } = require('path');"]);
  });
});

describe('the gate', () => {
  const candidate = { source: 'repeat', features: ['a', 'b'] } as const;

  it('adds the weights of the features that a candidate has', () => {
    const weights = { any: [0, 0], repeat: [-1, 1], 'repeat | a': [0, 1], 'rename | b': [9, 9] } as const;
    const { next, chance } = chancesOf(candidate, { about: '', weights });
    assert.ok(Math.abs(next - 1 / (1 + Math.E)) < 1e-9 && Math.abs(chance - 1 / (1 + Math.exp(-2))) < 1e-9);
  });

  it('expects an edit that was repeated before rather than one that was made once', async () => {
    const code = 'f(a);\nf(a);\nf(a);\nf(a);\n';
    const [once, twice] = [
      await proposed(code, [['a', 'b']]),
      await proposed(code, [
        ['a', 'b'],
        ['a', 'b'],
      ]),
    ];
    assert.ok(twice[0]!.chance > once[0]!.chance);
  });

  it('orders proposals, and every chance is a probability', async () => {
    const proposals = await proposed('f(a);\nf(a);\nf(a);\n', [
      ['a', 'b'],
      ['a', 'b'],
    ]);
    assert.ok(proposals.length > 0);
    for (const { chance } of proposals) assert.ok(chance > 0 && chance < 1);
  });
});

describe('random edits', () => {
  it('never lead to a proposal outside the document, or one that changes nothing', async () => {
    const random = new Random(4);
    const pieces = [
      'total',
      'f(total)',
      "'x'",
      ', b',
      '\r\n',
      '  a: c,\r\n',
      '}',
      '(',
      ' ',
      '',
      'import d from "d";\n',
    ];
    const code =
      'import a from "a";\r\nfunction f(a, b) {\r\n  return { a: a,\r\n  b: b };\r\n}\r\nf(1, 2);\r\nf(total, 3);\r\n';
    let count = 0;
    for (let round = 0; round < 25; round++) {
      const log = new EditLog(1);
      let text = code;
      for (let step = 2; step < 10; step++) {
        const start = random.integer(text.length + 1);
        const end = Math.min(text.length, start + random.integer(8));
        const change: TextEdit = { start, end, text: random.pick(pieces) };
        log.record(text, [change], step, step);
        text = applyEdit(text, change);
        const spans = occurrencesOf('total', text);
        const name = random.pick(['/w/a.ts', 'untitled:Untitled-1']);
        const languageId = random.pick(['typescript', 'python', 'javascript', 'plaintext', 'go']);
        const linesWith = (word: string) => [{ file: '/w/b.ts', line: `import { ${word} } from './c';` }];
        for (const proposal of await proposeEdits(
          { name, languageId, text, log },
          { references: { version: step, spans }, linesWith },
        )) {
          count++;
          assert.ok(0 <= proposal.start && proposal.start <= proposal.end && proposal.end <= text.length);
          assert.notEqual(applyEdit(text, proposal), text, proposal.label);
          if (proposal.source.includes('rename'))
            assert.equal(`Rename ${text.slice(proposal.start, proposal.end)} to ${proposal.text}`, proposal.label);
          if (!/(?<!\r)\n/.test(text) && /\n/.test(text)) assert.doesNotMatch(proposal.text, /(?<!\r)\n/);
        }
      }
    }
    assert.ok(count > 100, String(count));
  });
});
