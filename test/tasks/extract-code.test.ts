import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { extractCode } from '../../src/tasks/code/extract-code.ts';
import { candidateProgram } from '../../src/tasks/code/program.ts';
import { codeRow } from '../../src/tasks/code/row.ts';

const python = codeRow({ prompt: 'def gap(xs):\n    """Gap."""\n', tests: 'x', language: 'python' });
const script = codeRow({ prompt: 'function gap(xs) {\n', tests: 'x', language: 'js' });
const module = codeRow({ prompt: 'export function gap(xs) {\n', tests: 'x', language: 'js' });
const whole = 'def gap(xs):\n    return max(xs) - min(xs)';
const sourceOf = (row: typeof python, completion: string) => candidateProgram(row, completion, 'tagged')?.source;

describe('the code of an answer', () => {
  it('is in the last fence that declares the function, of any kind', () => {
    const fences = [
      `\`\`\`python\n${whole}\n\`\`\`\nFor example:\n\`\`\`python\nprint(gap([1]))\n\`\`\``,
      `First:\n\`\`\`\ndef gap(xs):\n    return 0\n\`\`\`\nBetter:\n\`\`\`\n${whole}\n\`\`\``,
      `~~~python\n${whole}\n~~~`,
      `\`\`\`\`\`python\n${whole}\n\`\`\`\`\`\n`,
      `1. Do it:\n\n   \`\`\`python\n${whole.replace(/^/gm, '   ')}\n   \`\`\`\n2. Done`,
      `<answer>\`\`\`python\n${whole}\`\`\`</answer>`,
      `\`\`\`python\n${whole}`,
      `${whole}<|endoftext|>def gap(xs): pass`,
      `\`\`\`python\r\n${whole.replaceAll('\n', '\r\n')}\r\n\`\`\`\r\n`,
      `\`\`\`{.python}\n${whole}\n\`\`\`\n\`\`\`text\n3\n\`\`\``,
      `\`\`\`python\n${whole.replace(/^/gm, '> ')}\n> \`\`\``.replace(/^/, '> '),
      `\`\`\`\n\`\`\`python\n${whole}\n\`\`\`\n\`\`\``,
      `<think>\n\`\`\`python\ndef gap(xs):\n    return 0\n\`\`\`\n</think>\n${whole}`,
      `<reasoning>\n\`\`\`\ndef gap(xs): pass\n\`\`\`\n</reasoning>\n<answer>\n${whole}\n</answer>`,
      `\`\`\`python\n>>> gap([1])\n0\n\`\`\`\n\n${whole}`,
      `${whole}\n\`\`\``,
      `${whole}\n\`\`\`\nThis works.`,
      `${whole}</s>`,
      `${whole}<end_of_turn>`,
      `${whole}<|EOT|>`,
      `[PYTHON]\n${whole}\n[/PYTHON]`,
      `<pre><code>${whole}</code></pre>`,
      `Sure.\n\n${whole.replace(/^/gm, '    ')}\n`,
      `\`\`\`python\n${whole}\n\`\`\`<|im_end|>\n\`\`\`\ndef gap(xs): pass\n\`\`\``,
    ];
    for (const completion of fences) assert.equal(sourceOf(python, completion)?.trim(), whole, completion);
    // A longer fence may hold a shorter one.
    const nested = `\`\`\`\`\n${whole}\n# \`\`\`\n\`\`\`\``;
    assert.equal(sourceOf(python, nested), `${whole}\n# \`\`\``);
  });

  it('has no prose around it', () => {
    for (const completion of [
      `Here is the function:\n\n${whole}`,
      `Sure! Below is it.\n${whole}\n\nThis works because the maximum is not below the minimum.`,
      `<answer>\nThe code:\n${whole}\n</answer>`,
    ])
      assert.equal(sourceOf(python, completion)?.trim(), whole, completion);
    assert.equal(
      sourceOf(python, `Here it is.\nimport math\n\nLIMIT = 3\n\n${whole}`),
      `import math\n\nLIMIT = 3\n\n${whole}`,
    );
    // A body that continues with another function is code to its end.
    const body = '    return 1\n\n\ndef other():\n    return 2\n';
    assert.equal(sourceOf(python, body), `${python.prompt}${body}`);
    const helper = `def helper(x):\n    return x\n\n\n${whole}\n\nX = 3\n`;
    assert.equal(sourceOf(python, helper), helper);
  });

  it('may begin at the margin in a fence, where it continues a body', () => {
    assert.equal(
      sourceOf(python, '```python\nif xs:\n    return 1\nreturn 0\n```'),
      `${python.prompt}    if xs:\n        return 1\n    return 0`,
    );
  });

  it('may be a method of a class Solution', () => {
    const answer = 'class Solution:\n    def gap(self, xs):\n        return 1\n';
    assert.equal(sourceOf(python, answer), `${answer}\n\ngap = Solution().gap\n`);
    assert.match(
      sourceOf(script, 'class Solution {\n  gap(xs) { return 1; }\n}') ?? '',
      /\nconst gap = \(\.\.\.values\) => new Solution\(\)\.gap\(\.\.\.values\);\nmodule\.exports = \{ gap: /,
    );
  });

  it('is in the module system of its row', () => {
    const body = 'function gap(xs) { return 1; }';
    const asScript = `${body}\n\nmodule.exports = { gap: typeof gap === 'undefined' ? undefined : gap };\n`;
    for (const completion of [
      `export ${body}\n`,
      `export default ${body}\n`,
      `${body}\nexport default gap;`,
      `module.exports = ${body}`,
      `exports.gap = ${body}`,
      `<script>\n${body}\n</script>`,
      `${body}\nexport { gap };`,
    ])
      assert.equal(sourceOf(script, completion)?.replace(/\n+/g, '\n'), asScript.replace(/\n+/g, '\n'), completion);
    for (const completion of [
      `${body}\n\nmodule.exports = { gap };`,
      `${body}\nmodule.exports = gap;`,
      `${body}\nexports.gap = gap;`,
      `${body}\nexport { gap };`,
    ])
      assert.equal(sourceOf(module, completion)?.replace(/\n+/g, '\n'), `${body}\nexport { gap };\n`, completion);
  });

  it('of a body of a workspace is its last fence', () => {
    assert.deepEqual(extractCode('```ts\na\n```\n~~~\nb\n~~~', 'tagged'), { code: 'b', isFenced: true });
    assert.deepEqual(extractCode('  return 1;\n', 'plain'), { code: '  return 1;\n', isFenced: false });
  });
});
