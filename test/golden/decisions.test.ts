/** How completions were decided, with a scripted model, compared with `test/golden/decisions.txt`. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { UserError } from '../../src/platform/errors.ts';
import type { CompletionTrace } from '../../src/protocol/runtime.ts';
import { query, type ScriptedCompletions, scriptedCompletions, written } from '../runtime/scripted-completions.ts';
import { assertGolden } from './golden-file.ts';

const never = new AbortController().signal;

/** A situation, and the trace of the last completion in it. */
const situations: Readonly<Record<string, () => Promise<CompletionTrace>>> = {
  'the rest of a line': async () =>
    last(
      scriptedCompletions(() => written(['a + b;'])),
      'const c = |\n',
    ),
  'several lines, in an empty block': async () =>
    last(
      scriptedCompletions(() => written(['  return a + b;\n}'])),
      'function sum(a, b) {\n|',
    ),
  'the user asks for alternatives, and two are the same': async () =>
    last(
      scriptedCompletions(() => written(['a;', 'b;', 'a;'])),
      'const c = |\n',
      { trigger: 'invoked' },
    ),
  'the second alternative leaves fewer syntax errors': async () =>
    last(
      scriptedCompletions(() => written(['(a;', 'f(a);'])),
      'const c = |\n',
    ),
  'the user types what was suggested': async () => {
    const on = scriptedCompletions(() => written(['total + 1;']));
    await on.completions.complete(query('const c = |\n'), never);
    return last(on, 'const c = to|\n');
  },
  'a prefetched suggestion': async () => {
    const on = scriptedCompletions(() => written(['next();']));
    await on.completions.prefetch(query('done();\n|'));
    return last(on, 'done();\n|');
  },
  'the model is unsure': async () =>
    last(
      scriptedCompletions(() => written(['unsure;', ''], 0.1)),
      'const c = |\n',
    ),
  'in a comment': async () =>
    last(
      scriptedCompletions(() => written(['x'])),
      '// the sum of |',
    ),
  'the next keystroke comes while the request waits': async () => {
    const { completions } = scriptedCompletions(() => written(['x']));
    return (await completions.complete(query('const c = |\n'), AbortSignal.abort())).trace;
  },
  'the document changes while the model computes': async () => {
    const on: ScriptedCompletions = scriptedCompletions(async ({ prefix }, { checkCancelled }) => {
      if (prefix.endsWith(' ')) void on.completions.complete(query('const c = a|\n'), never);
      await checkCancelled!();
      return written(['a;']);
    });
    return (await on.completions.complete(query('const c = |\n'), never)).trace;
  },
  'the suggestion list is open, and its selected item is not at the cursor': async () =>
    last(
      scriptedCompletions(() => written(['x'])),
      'a.|',
      { suggestionList: 'open' },
    ),
  'the suggestion list is open, and its selected item is at the cursor': async () =>
    last(
      scriptedCompletions(() => written(['(a);'])),
      'const c = sum|\n',
      { suggestionList: 'continued' },
    ),
  'there is no model': async () =>
    last(
      scriptedCompletions(() => {
        throw new UserError('There is no model nosuch; choose another one.');
      }),
      'const c = |\n',
    ),
};

async function last({ completions }: ScriptedCompletions, text: string, changes = {}): Promise<CompletionTrace> {
  await completions.complete(query(text, changes), never);
  return completions.last as CompletionTrace;
}

const described = ({ outcome, reason, path, alternatives, source, multiline }: CompletionTrace): string =>
  [
    `outcome    ${outcome}`,
    `reason     ${reason}`,
    `source     ${source ?? 'none'}${multiline === null ? '' : multiline ? ', several lines' : ', one line'}`,
    ...path.map((step, index) => `path ${String(index + 1).padStart(2)}    ${step}`),
    ...alternatives.map(({ text, discardedBy }) => `text       ${JSON.stringify(text)}  ${discardedBy ?? 'kept'}`),
  ].join('\n');

it('the decision paths of completions are those that were recorded', async () => {
  const sections: string[] = [];
  for (const [name, trace] of Object.entries(situations)) sections.push(`# ${name}\n${described(await trace())}\n`);
  assert.ok(sections.length >= 10);
  await assertGolden('decisions.txt', sections.join('\n'));
});
