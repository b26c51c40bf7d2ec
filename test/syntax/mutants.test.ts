import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findFunctions } from '../../src/syntax/functions.ts';
import { mutantsOf, mutated, spread } from '../../src/syntax/mutants.ts';
import { isWellFormed } from '../../src/syntax/trees.ts';

const sources = {
  typescript: `export function clamp(x: number, low: number, high: number): number {
  if (x < low || low > high) return low;
  const all = [1, 2].map((y) => y + high);
  return Math.min(x, all[0] ?? high, Number(true));
}
`,
  python: `def clamp(x, low, high=2):
    if x < low and not high == 3:
        return 'low'
    return sum([min(x, high) + 1], 1) if x else True
`,
  go: 'package a\n\nfunc Clamp(x int, low int) int {\n\tif x < low {\n\t\treturn low + 1\n\t}\n\treturn x\n}\n',
} as const;

describe('mutants', () => {
  for (const [language, text] of Object.entries(sources))
    it(`of ${language} parse, differ from the text, and change the body only`, async () => {
      const [own] = await findFunctions(language, text);
      const mutants = await mutantsOf(language, text, own!, 100);
      assert.ok(mutants.length >= 4, `${mutants.length} mutants`);
      for (const mutant of mutants) {
        const changed = mutated(text, mutant);
        assert.notEqual(changed, text);
        assert.equal(await isWellFormed(language, changed), true, mutant.description);
        assert.equal(changed.slice(0, own!.start), text.slice(0, own!.start));
        assert.equal(changed.slice(changed.length - (text.length - own!.end)), text.slice(own!.end));
      }
    });

  it('replace operators, constants, conditions and arguments', async () => {
    const [own] = await findFunctions('typescript', sources.typescript);
    const found = (await mutantsOf('typescript', sources.typescript, own!, 100)).map(({ description }) => description);
    for (const expected of [
      'x < low → x <= low',
      'x < low || low > high → x < low && low > high',
      'y + high → y - high',
      'true → false',
      '1 → 2',
      'Number(true) → Number()',
      'Number(true) → Number(true, 1)',
    ])
      assert.ok(found.includes(expected), `${expected} is missing from:\n${found.join('\n')}`);
  });

  it('are limited in number and spread over the body', async () => {
    const [own] = await findFunctions('typescript', sources.typescript);
    const lines = (await mutantsOf('typescript', sources.typescript, own!, 3)).map(({ line }) => line);
    assert.equal(lines.length, 3);
    assert.ok(new Set(lines).size >= 2, `all are in line ${lines[0]}`);
    assert.deepEqual(spread([1, 2, 3, 4, 5, 6], 3), [1, 3, 5]);
  });

  it('do not exist for a language without a grammar', async () => {
    assert.deepEqual(await mutantsOf('cobol', 'ADD A TO B.', { start: 0, end: 11 }, 8), []);
  });
});
