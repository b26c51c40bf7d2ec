import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { discardedBy, stoppingRules } from '../../src/runtime/inline/discard.ts';
import { allowsSeveralLines } from '../../src/runtime/inline/multiline.ts';
import { SuggestionCache } from '../../src/runtime/inline/suggestion-cache.ts';
import type { TextAtCursor } from '../../src/runtime/inline/text-at-cursor.ts';
import { trimCompletion } from '../../src/runtime/inline/trim.ts';
import { commentOrStringAt } from '../../src/syntax/comments-and-strings.ts';
import badOutputs from './bad-outputs.json' with { type: 'json' };

/** A text with the cursor at `|`. */
function at(text: string): TextAtCursor {
  const [prefix, suffix] = text.split('|') as [string, string];
  return { prefix, suffix };
}

describe('the automatic choice of several lines', () => {
  const cases: readonly [text: string, several: boolean][] = [
    ['function f() {|\n}\n', true],
    ['const f = () =>|', true],
    ['def f(x):|', true],
    ['const a = [|];', true],
    ['  return |\n}', false],
    ['const x = f(|, 2);', false],
    ['foo(|) + bar', false],
    ['function f() {\n  |\n}\n', true],
    ['function f() {\n  |\n  return 1;\n}\n', false],
    ['// adds two numbers\n|', true],
    ['const a = 1;\n|', false],
    ['|', false],
  ];
  for (const [text, several] of cases)
    it(JSON.stringify(text), () => assert.equal(allowsSeveralLines('auto', at(text)), several));
  it('allows several lines only in some positions', () => {
    assert.equal(allowsSeveralLines('always', at('foo(|) + bar')), true);
    assert.equal(allowsSeveralLines('never', at('function f() {|\n}')), false);
  });
});

describe('trimming', () => {
  const several = { singleLine: false, ended: true };
  it('keeps one line in single-line mode', () => {
    assert.equal(
      trimCompletion('a + b;  \n  return a;', at('  const c = |'), { singleLine: true, ended: true }),
      'a + b;',
    );
  });
  it('ends with the block, and keeps the line that closes it', () => {
    const body = '\n    return a;\n  }\n\n  other() {\n    return b;\n  }';
    assert.equal(trimCompletion(body, at('  f() {|'), several), '\n    return a;\n  }');
    assert.equal(trimCompletion('if (a) {\n    b();\n  }\n}\nmore();', at('  |'), several), 'if (a) {\n    b();\n  }');
  });
  it('continues with lines of the same depth if no block was opened', () => {
    assert.equal(trimCompletion('a();\n  b();\nc();', at('  |'), several), 'a();\n  b();');
  });
  it('drops the last line of a text that has no end', () => {
    assert.equal(trimCompletion('a();\n  b(', at('  |'), { singleLine: false, ended: false }), 'a();');
    assert.equal(trimCompletion('a(', at('  |'), { singleLine: false, ended: false }), 'a(');
  });
  it('reports that a completion has left the block, and not before', () => {
    const body = '\n    return a;\n  }\n\n  other() {';
    const rules = stoppingRules(at('  f() {|'));
    const over = [...body].findIndex((_, index) => rules.isOver(body.slice(0, index + 1)));
    assert.equal(body.slice(0, over + 1), '\n    return a;\n  }\n');
    assert.equal(rules.isOver('x = 1, 1, 1, 1, 1, 1,'), true, 'a repetitive text is not shown');
    // Stopping early must not change what is shown.
    const trimmed = (text: string, ended: boolean) =>
      trimCompletion(text, at('  f() {|'), { singleLine: false, ended });
    assert.equal(trimmed(body.slice(0, over + 1), false), trimmed(body, true));
  });
});

describe('the rules for rejected completions', () => {
  const judged = (text: string, where = 'const x = |', confidence = 0.9, untrimmed = text) =>
    discardedBy({ text, untrimmed, confidence }, at(where));
  // Texts that small models really write.
  const cases: readonly [rule: string | null, text: string, where?: string, confidence?: number][] = [
    [null, 'a + b;'],
    ['empty', '   '],
    ['empty', ''],
    ['repeats itself', '))))))))))))))) { { { { {'],
    ['repeats itself', 'the the the the the the'],
    ['repeats itself', '\n  return this;\n  return this;\n  return this;'],
    [null, '// ----------------------------'],
    ['has an incomplete character', "'\uFFFD"],
    ['low confidence', 'a + b;', 'const x = |', 0.2],
    ['repeats the next lines', '  return total;', 'x\n|\n  return total;\n}'],
    [null, '  return total + 1;', 'x\n|\n  return total;\n}'],
    ['repeats itself', '_user_user = 1;', 'const user|'],
    ['repeats itself', 'userUserUser();'],
    [null, "'../../../a.ts';"],
    ['repeats a key', '{ a: 1, b: 2, a: 3 };'],
    ['repeats a key', 'b: 2,', 'f({\n  a: { b: 1 },\n  b: 1,\n  |\n})'],
    ['repeats a key', 'a: 2,', 'const x = {\n  |\n  c: [1, 2],\n  a: 1,\n}'],
    [null, 'b: 2,', 'f({\n  a: { b: 1 },\n  |\n}, { b: 1 })'],
    [null, 'c: { a: 1 },', "f({\n  a: 'b: 1, c: 2',\n  // c: 1,\n  |\n})"],
    [null, 'a ? b : c, d: e ? b : c };', 'const x = { a: |'],
    ['repeats the text before the cursor', 'const total = 0;', 'const total = 0; |'],
  ];
  for (const [rule, text, where, confidence] of cases)
    it(`${JSON.stringify(text)}: ${rule ?? 'shown'}`, () => assert.equal(judged(text, where, confidence), rule));
  // Greedy completions of a small model at positions in packages that it was not trained on
  // (test/runtime/bad-outputs.json).
  for (const { before, output, confidence, rule } of badOutputs)
    it(`written by a model: ${JSON.stringify(output)}: ${rule}`, () =>
      assert.equal(judged(output, `${before}|`, confidence), rule));
  it('text that already follows the cursor', () => {
    assert.equal(judged('', '|total;', 0.9, 'total'), 'repeats the text after the cursor');
  });
});

describe('the cache', () => {
  it('returns the rest of a suggestion while the user types it, and all of it again after deletion', () => {
    const cache = new SuggestionCache<number>();
    cache.put('u', at('const |;'), { texts: ['total = 0', 'x = 1'], about: 1 });
    assert.deepEqual(cache.get('u', at('const to|;')), { texts: ['tal = 0'], about: 1 });
    assert.deepEqual(cache.get('u', at('const |;')), { texts: ['total = 0', 'x = 1'], about: 1 });
    for (const other of ['const y|;', 'const total = 0|;', 'cons|;', 'const |'])
      assert.equal(cache.get('u', at(other)), null, other);
    assert.equal(cache.get('v', at('const |;')), null);
  });
  it('continues in the next line', () => {
    const cache = new SuggestionCache<number>();
    cache.put('u', { prefix: 'f() {', suffix: '\nx' }, { texts: ['\n  a();\n}'], about: 1 });
    assert.deepEqual(cache.get('u', { prefix: 'f() {\n  a', suffix: '\nx' })?.texts, ['();\n}']);
  });
  it('remembers an empty result for that position only', () => {
    const cache = new SuggestionCache<number>();
    cache.put('u', at('a|'), { texts: [], about: 0 });
    assert.deepEqual(cache.get('u', at('a|'))?.texts, []);
    assert.equal(cache.get('u', at('ab|')), null);
  });
  it('keeps the newest entries, and evicts the least recently used ones', () => {
    const cache = new SuggestionCache<number>(2);
    cache.put('u', at('a|'), { texts: ['1'], about: 1 });
    cache.put('u', at('b|'), { texts: ['2'], about: 2 });
    assert.ok(cache.get('u', at('a|')));
    cache.put('u', at('c|'), { texts: ['3'], about: 3 });
    assert.equal(cache.get('u', at('b|')), null);
    assert.ok(cache.get('u', at('a|')));
    cache.put('u', at('a|'), { texts: ['4'], about: 4 });
    assert.equal(cache.get('u', at('a|'))?.about, 4);
    cache.clear();
    assert.equal(cache.get('u', at('a|')), null);
  });
});

describe('comments and strings', () => {
  const cases: readonly [language: string, text: string, place: 'comment' | 'string' | null][] = [
    ['typescript', '// a |', 'comment'],
    ['typescript', '// a |\nconst b = 1;', 'comment'],
    ['typescript', '/* a | */ b', 'comment'],
    ['typescript', '/* a */| b', null],
    ['typescript', "const a = 'b|';", 'string'],
    ['typescript', "const a = 'b'|;", null],
    ['typescript', `const a = \`b \${c.|} d\`;`, null],
    ['typescript', `const a = \`b | \${c}\`;`, 'string'],
    ['typescriptreact', 'const a = <p>text |</p>;', null],
    ['python', 'x = 1  # why |', 'comment'],
    ['python', 'x = "a|"', 'string'],
    ['go', 'x := "a|"', 'string'],
    ['rust', '// a |\nfn f() {}', 'comment'],
    ['typescript', 'const x = ((((|', null],
    ['klingon', '// a |', null],
    ['typescript', '|', null],
  ];
  for (const [language, text, position] of cases)
    it(`${language} ${JSON.stringify(text)}`, async () => {
      const { prefix, suffix } = at(text);
      assert.equal(await commentOrStringAt(language, prefix + suffix, prefix.length), position);
    });
});
