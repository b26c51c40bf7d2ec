import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileTests } from '../../harness/code-tests.mjs';
import { pieceTokenizer, Tokenizer } from '../../src/model/tokenizer.ts';
import { UsageError } from '../../src/platform/errors.ts';
import { Random } from '../../src/platform/random.ts';
import { stripTypes } from '../../src/syntax/strip-types.ts';
import type { CodeRow } from '../../src/tasks/code/row.ts';
import { drawProgram, type Program, partOf, structureOf } from '../../src/tasks/programs/program.ts';
import { programs } from '../../src/tasks/programs/programs.ts';
import { piecesOf, programPieces, programVocabulary } from '../../src/tasks/programs/vocabulary.ts';

const drawn = (count: number, options = {}): CodeRow[] => {
  const random = new Random(7, 'programs test');
  return Array.from({ length: count }, () => programs.generate!(random, options));
};

/** The share of a row's tests that a body passes. Only for bodies of this file and of the grammar. */
async function share({ prompt, tests }: CodeRow, body: string): Promise<number> {
  const source = (await stripTypes(prompt + body)).replace('export function', 'function');
  const f = new Function(`${source}\nreturn f;`)();
  const results: unknown[] = [];
  await compileTests(await stripTypes(tests), ['f'])([f], (record) => results.push(record.passed));
  return results.filter((passed) => passed === true).length / results.length;
}

const parametersOf = ({ prompt }: CodeRow): string[] =>
  [.../\(([\s\S]*)\):/.exec(prompt)![1]!.matchAll(/(?:^|, )(\w+):/g)].map((match) => match[1] as string);

describe('programs', () => {
  it('have a solution that passes all tests, and no parameter or empty body that does', async () => {
    for (const row of drawn(150)) {
      assert.equal(row.tests.split('\n').length, 6);
      assert.equal(await share(row, row.solution!), 1, row.prompt + row.solution);
      assert.equal(await share(row, '}\n'), 0, row.prompt);
      for (const name of parametersOf(row))
        assert.ok((await share(row, `  return ${name};\n}\n`)) < 1, `${row.prompt}returns ${name}\n${row.tests}`);
    }
  });

  it('fail without one of their conditions', async () => {
    const withConditions = drawn(150).filter(({ solution }) => solution!.includes('  if ('));
    assert.ok(withConditions.length > 20);
    for (const row of withConditions) {
      const lines = row.solution!.split('\n');
      for (const [index, line] of lines.entries())
        if (line.startsWith('  if ('))
          assert.ok((await share(row, lines.toSpliced(index, 1).join('\n'))) < 1, `${row.prompt}without ${line}`);
    }
  });

  it('of validation and test have structures of several statements that no training problem has', () => {
    const random = new Random(1, 'structures');
    const parts = new Map<string, Set<string>>();
    const seen: Program[] = [];
    while (seen.length < 800) {
      const program = drawProgram(random);
      if (program === null) continue;
      seen.push(program);
      const structure = structureOf(program);
      parts.set(structure, (parts.get(structure) ?? new Set()).add(partOf(program)));
      if (partOf(program) !== 'training') assert.ok(program.statements.length > 1);
    }
    assert.ok([...parts.values()].every((found) => found.size === 1));
    const shares = ['validation', 'test'].map(
      (part) => seen.filter((one) => partOf(one) === part).length / seen.length,
    );
    for (const one of shares) assert.ok(one > 0.04 && one < 0.2, String(shares));
  });

  it('held out are different, always the same, and begin with those of a shorter list', () => {
    const rows = programs.heldOut!('test', 40);
    assert.equal(new Set(rows.map(({ prompt }) => prompt)).size, 40);
    assert.deepEqual(programs.heldOut!('test', 10), rows.slice(0, 10));
    const validation = new Set(programs.heldOut!('validation', 40).map(({ prompt }) => prompt));
    assert.ok(rows.every(({ prompt }) => !validation.has(prompt)));
    assert.throws(() => programs.heldOut!('test', 10_001), UsageError);
  });

  it('can be without a solution, and have a wanted number of statements', () => {
    for (const row of drawn(20, { labelled: false, statements: [2, 2] })) {
      assert.equal(programs.solution(row, 'plain'), null);
      assert.equal(row.prompt.match(/(Let|If|Return) /g)!.length, 2);
    }
    const random = new Random(0);
    assert.throws(() => programs.generate!(random, { statements: [3, 2] }), /statements/);
    assert.throws(() => programs.generate!(random, { labels: 1 }), UsageError);
    assert.throws(() => programs.heldOut!('test', 1, { statements: [1, 1] }), /one statement/);
  });

  it('are one token a word, and fit into the completion', () => {
    const vocabulary = programVocabulary();
    const tokenizer = new Tokenizer(pieceTokenizer(vocabulary, programPieces));
    const longest = programs.completionLength.plain;
    for (const { prompt, solution } of drawn(200)) {
      for (const text of [prompt, solution!]) {
        const tokens = tokenizer.encode(text);
        assert.equal(tokenizer.decode(tokens), text);
        assert.equal(tokens.length, piecesOf(text).length, text);
      }
      assert.ok(tokenizer.encode(solution!).length < longest);
    }
    // Other text is written in characters, so that a completion can be anything.
    assert.equal(tokenizer.decode(tokenizer.encode('returns')), 'returns');
  });
});
