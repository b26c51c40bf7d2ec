import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type FunctionPart, functionParts } from '../../src/syntax/function-parts.ts';
import { findFunctions } from '../../src/syntax/functions.ts';

const typescript = `export function total(lines: Line[], rate: number): number {
  let sum = 0;
  for (const line of lines) {
    sum += line.price * line.count;
  }
  return Math.round(sum * (1 + rate));
}
`;

async function partsOf(language: string, text: string, most = 10): Promise<Map<string, string[]>> {
  const [own] = await findFunctions(language, text);
  const found = new Map<string, string[]>();
  for (const { kind, start, end } of await functionParts(language, text, own!, most))
    found.set(kind, [...(found.get(kind) ?? []), text.slice(start, end)]);
  return found;
}

describe('parts of a function', () => {
  it('are expressions, lines, statements and pairs of lines', async () => {
    const found = await partsOf('typescript', typescript);
    assert.ok(found.get('expression')?.includes('line.price * line.count'));
    assert.ok(found.get('expression')?.includes('Math.round(sum * (1 + rate))'));
    assert.ok(found.get('line')?.includes('return Math.round(sum * (1 + rate));'));
    assert.deepEqual(found.get('statement'), ['for (const line of lines) {\n    sum += line.price * line.count;\n  }']);
    assert.ok(found.get('two lines')?.includes('let sum = 0;\n  for (const line of lines) {'));
  });

  it('of Python are found too', async () => {
    const found = await partsOf(
      'python',
      'def total(lines, rate):\n    """Doc."""\n    prices = [line.price for line in lines]\n    return round(sum(prices) * rate)\n',
    );
    assert.ok(found.get('expression')?.includes('sum(prices) * rate'));
    assert.ok(found.get('line')?.includes('return round(sum(prices) * rate)'));
  });

  it('are never the whole body, lie inside it, and are limited in number for each kind', async () => {
    const one = 'export function one(): number {\n  return compute(1);\n}\n';
    assert.equal((await partsOf('typescript', one)).get('line'), undefined);
    const [own] = await findFunctions('typescript', typescript);
    const parts = await functionParts('typescript', typescript, own!, 1);
    const kinds = parts.map(({ kind }: FunctionPart) => kind);
    assert.deepEqual(kinds, ['expression', 'line', 'statement', 'two lines']);
    for (const { start, end } of parts) assert.ok(start >= own!.start && end <= own!.end);
  });
});
