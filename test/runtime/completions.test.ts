import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { InfillHooks, InfillRequest } from '../../src/diffusion/infill.ts';
import { UserError } from '../../src/platform/errors.ts';
import type { CompletionSettings } from '../../src/protocol/runtime.ts';
import { AlternativeJudge } from '../../src/runtime/alternative-judge.ts';
import type { CompletionQuery } from '../../src/runtime/completion-query.ts';
import type { CompletionDependencies } from '../../src/runtime/completions.ts';
import { Scheduler } from '../../src/runtime/scheduler.ts';
import { query, scriptedCompletions, written } from './scripted-completions.ts';

const never = new AbortController().signal;

describe('a request', () => {
  it('waits, calls the model once for several alternatives, and returns those worth showing', async () => {
    const { completions, requests } = scriptedCompletions(() => written(['a + b;']));
    const { texts, trace } = await completions.complete(query('const c = |\n'), never);
    assert.deepEqual(texts, ['a + b;']);
    assert.equal(requests.length, 1);
    assert.deepEqual(
      [requests[0]!.alternatives, requests[0]!.singleLine, requests[0]!.prefix, requests[0]!.suffix],
      [3, true, 'const c = ', '\n'],
    );
    assert.equal(trace.outcome, 'shown');
    assert.deepEqual([trace.source, trace.forwards, trace.tokensPerForward, trace.multiline], ['model', 2, 2, false]);
    assert.deepEqual(trace.milliseconds, { wait: 120, queue: 0, context: 3, denoise: 4, syntax: 0, total: 120 });
    assert.deepEqual(completions.last, trace);
    assert.equal(completions.latency.summary.requests, 1);
  });

  it('by the user gets several alternatives at once, anywhere and without a delay', async () => {
    const { completions, requests, clock } = scriptedCompletions(() => written(['a;', 'b;', 'a;']), { enabled: false });
    const { texts, trace } = await completions.complete(query('// |', { trigger: 'invoked' }), never);
    assert.deepEqual(texts, ['a;', 'b;']);
    assert.equal(requests[0]!.alternatives, 3);
    assert.equal(clock.now, 1_000_000);
    assert.deepEqual(
      trace.alternatives.map(({ discardedBy }) => discardedBy),
      [null, null, 'duplicate'],
    );
  });

  it('made automatically stops at the likeliest alternative if it is shown and leaves no syntax error', async () => {
    const judged: boolean[] = [];
    const answer = async (_: InfillRequest, { isEnough }: InfillHooks) => {
      for (const [text, confidence] of [
        ['f(a);', 0.9],
        ['(a;', 0.9],
        ['f(a);', 0.1],
        ['', 0.9],
      ] as const)
        judged.push(await isEnough!(written([text], confidence).alternatives[0]!));
      return written(['f(a);']);
    };
    const { trace } = await scriptedCompletions(answer).completions.complete(query('const c = |\n'), never);
    assert.deepEqual(judged, [true, false, false, false]);
    assert.match(trace.path.join(), /no more were generated/);
    const made = scriptedCompletions(() => written(['f(a);', 'a;', '1;']));
    await made.completions.complete(query('const c = |\n', { trigger: 'invoked' }), never);
    assert.equal(made.requests[0]!.isEnough, undefined);
  });

  it('returns the alternative with the fewest syntax errors first', async () => {
    const { completions } = scriptedCompletions(() => written(['(a;', 'f(a;', 'f(a);']));
    const { texts, trace } = await completions.complete(query('const c = |\n'), never);
    assert.deepEqual(texts, ['f(a);', '(a;', 'f(a;']);
    assert.match(trace.path.join(), /leaves fewer syntax errors and is shown first/);
  });

  const rejections: readonly [
    outcome: string,
    text: string,
    changes: Partial<CompletionSettings>,
    at?: Partial<CompletionQuery>,
  ][] = [
    ['off', 'a|', { enabled: false }],
    ['language-off', 'a|', { languages: { typescript: false } }],
    ['language-off', 'a|', { languages: { '*': false } }],
    ['in-comment', '// a|', {}],
    ['in-string', "const a = 'b|'", {}],
    ['suggest-widget', 'a.|', {}, { suggestionList: 'open' }],
  ];
  for (const [outcome, text, changes, at] of rejections)
    it(`does not reach the model if it is ${outcome}: ${JSON.stringify(changes)}`, async () => {
      const { completions, requests } = scriptedCompletions(() => written(['x']), changes);
      const { texts, trace } = await completions.complete(query(text, at), never);
      assert.deepEqual([texts, requests, trace.outcome], [[], [], outcome]);
      assert.match(trace.reason, /^[A-Z].*\.$/);
    });

  it('reaches the model if a setting allows it', async () => {
    const open = scriptedCompletions(() => written(['x = 1;']), {
      languages: { '*': false, typescript: true },
      inCommentsAndStrings: true,
    });
    assert.deepEqual((await open.completions.complete(query('// |'), never)).texts, ['x = 1;']);
  });

  it('is rejected while completions are snoozed, and no longer', async () => {
    const { completions, clock } = scriptedCompletions(() => written(['x = 1;']));
    clock.snoozedUntil = clock.now + 90_000;
    const { trace } = await completions.complete(query('a|'), never);
    assert.deepEqual([trace.outcome, trace.reason], ['snoozed', 'Completions are snoozed for 2 more minutes.']);
    clock.now += 90_000;
    assert.equal((await completions.complete(query('a|'), never)).trace.outcome, 'shown');
  });

  it('is answered from the cache if the user types what was suggested', async () => {
    const { completions, requests } = scriptedCompletions(() => written(['total + 1;']));
    await completions.complete(query('const c = |\n'), never);
    const { texts, trace } = await completions.complete(query('const c = to|\n'), never);
    assert.deepEqual([texts, trace.source, trace.forwards, requests.length], [['tal + 1;'], 'cache', 0, 1]);
    completions.clearCache();
    await completions.complete(query('const c = to|\n'), never);
    assert.equal(requests.length, 2);
  });

  it('that was running when the cache was cleared is not cached', async () => {
    const { completions, requests } = scriptedCompletions(() => {
      if (requests.length === 1) completions.clearCache();
      return written([`model${requests.length}();`]);
    });
    const texts: string[] = [];
    for (let time = 0; time < 3; time++)
      texts.push(...(await completions.complete(query('const c = |\n'), never)).texts);
    assert.deepEqual([texts, requests.length], [['model1();', 'model2();', 'model2();'], 2]);
  });

  it('by the user in a comment is not reused for an automatic request there', async () => {
    const { completions, requests } = scriptedCompletions(() => written(['more();']));
    await completions.complete(query('// |', { trigger: 'invoked' }), never);
    const { texts, trace } = await completions.complete(query('// |'), never);
    assert.deepEqual([texts, trace.outcome, requests.length], [[], 'in-comment', 1]);
  });

  it('checks for comments and strings after the delay, and not in a long text', async () => {
    const { completions } = scriptedCompletions(() => written(['more();']));
    const { trace } = await completions.complete(query('// |'), AbortSignal.abort());
    assert.equal(trace.outcome, 'debounced');
    const long = await completions.complete(query(`// |\n${'a'.repeat(200_000)}`), never);
    assert.deepEqual(long.texts, ['more();']);
  });

  it('is dropped if another keystroke arrives during the delay', async () => {
    const { completions, requests } = scriptedCompletions(() => written(['x']));
    const { trace } = await completions.complete(query('a|'), AbortSignal.abort());
    assert.deepEqual([trace.outcome, requests.length], ['debounced', 0]);
  });

  it('ends between two steps if it is cancelled or superseded by a newer request for the document', async () => {
    for (const how of ['cancelled', 'superseded'] as const) {
      const steps: string[] = [];
      const cancel = new AbortController();
      const { completions } = scriptedCompletions(async ({ prefix }, { checkCancelled }) => {
        for (let step = 0; prefix === 'a' && step < 100; step++) {
          steps.push(prefix);
          if (step === 2 && how === 'cancelled') cancel.abort();
          if (step === 2 && how === 'superseded') void completions.complete(query('ab|'), never);
          await checkCancelled!();
        }
        return written(['x = 1;']);
      });
      const { trace, texts } = await completions.complete(query('a|'), cancel.signal);
      assert.deepEqual([trace.outcome, texts, steps.length], ['cancelled', [], 3], how);
      assert.equal(/because of a newer request/.test(trace.reason), how === 'superseded');
    }
  });

  it('reports an error, and the next request works', async () => {
    let broken = true;
    const { completions } = scriptedCompletions(() => {
      if (broken) throw new UserError('There is no model here; choose one.');
      return written(['x = 1;']);
    });
    const { texts, trace } = await completions.complete(query('a|'), never);
    assert.deepEqual([texts, trace.outcome], [[], 'no-model']);
    assert.match(trace.reason, /There is no model here; choose one\./);
    broken = false;
    assert.equal((await completions.complete(query('a|'), never)).trace.outcome, 'shown');
  });

  it('returns nothing if every alternative violates a rule, reports the rules, and caches this result', async () => {
    const { completions, requests } = scriptedCompletions(() => written(['', 'unsure;'], 0.1));
    const { texts, trace } = await completions.complete(query('a|', { trigger: 'invoked' }), never);
    assert.deepEqual([texts, trace.outcome], [[], 'discarded']);
    assert.match(trace.reason, /^Both candidates were rejected: low confidence \(1\), empty \(1\)\.$/);
    assert.equal((await completions.complete(query('a|'), never)).trace.source, 'cache');
    assert.equal(requests.length, 1);
  });
});

describe('the alternative that is shown first', () => {
  const first = async (texts: readonly string[], confidence?: number) =>
    (
      await new AlternativeJudge({ ...query('const a = |'), singleLine: true }).shownFirst(
        written(texts, confidence).alternatives,
      )
    ).index;

  it('is the one with the fewest syntax errors among those worth showing, or the first one if none is', async () => {
    assert.equal(await first(['f((', 'g();']), 1);
    assert.equal(await first(['', 'f((', 'g();']), 2);
    assert.equal(await first(['f();', 'g();']), 0);
    assert.equal(await first(['f((', 'g();'], 0.01), 0);
  });
});

describe('a context that is read ahead', () => {
  /** Completions whose model reads contexts in five steps, and the texts before the cursor of the contexts that it started and finished. */
  const reading = (changes: Partial<CompletionSettings> = {}, dependencies: Partial<CompletionDependencies> = {}) => {
    const [started, ended]: [string[], string[]] = [[], []];
    const { completions, requests } = scriptedCompletions(() => written(['x = 1;']), changes, {
      readAhead: async ({ prefix }, { checkCancelled }) => {
        started.push(prefix);
        for (let step = 0; step < 5; step++) await checkCancelled!();
        ended.push(prefix);
      },
      ...dependencies,
    });
    return { completions, requests, started, ended };
  };

  it('belongs to the place where the cursor rests last, and gives way to a request', async () => {
    const { completions, started, ended, requests } = reading();
    await Promise.all([completions.readAhead(query('far|')), completions.readAhead(query('near|'))]);
    assert.deepEqual([started.at(-1), ended], ['near', ['near']]);
    const read = completions.readAhead(query('here|'));
    await completions.complete(query('there|', { trigger: 'invoked' }), never);
    await read;
    assert.deepEqual([ended, requests.map(({ prefix }) => prefix)], [['near'], ['there']]);
  });

  it('does not stop a prefetch', async () => {
    const scheduler = new Scheduler();
    const { completions, ended } = reading({}, { scheduler });
    let prefetched = false;
    const prefetch = scheduler.run('prefetch', never, async (yieldToEventLoop) => {
      for (let step = 0; step < 5; step++) await yieldToEventLoop();
      prefetched = true;
    });
    const read = completions.readAhead(query('here|'));
    await Promise.all([prefetch, read]);
    assert.deepEqual([prefetched, ended], [true, ['here']]);
  });

  it('is not read where nothing would be suggested', async () => {
    for (const { completions, started } of [
      reading({ enabled: false }),
      reading({ prefetch: false }),
      reading({ languages: { typescript: false } }),
      reading({}, { unreadLanguage: async () => 'It was not trained on TypeScript.' }),
    ]) {
      await completions.readAhead(query('a|'));
      assert.deepEqual(started, []);
    }
  });
});

describe('a prefetch', () => {
  it('generates the next suggestion in advance, and yields to a request', async () => {
    const { completions, requests } = scriptedCompletions(() => written(['next();']));
    await completions.prefetch(query('done();\n|'));
    const { trace, texts } = await completions.complete(query('done();\n|'), never);
    assert.deepEqual([texts, trace.source, requests.length], [['next();'], 'cache', 1]);
    assert.equal(completions.latency.summary.requests, 0, 'a prefetch does not count as a request');
  });

  it('without a result does not prevent a request with more alternatives', async () => {
    const { completions } = scriptedCompletions(({ alternatives }) => written(['', 'next();'].slice(0, alternatives)));
    await completions.prefetch(query('done();\n|'));
    const { trace, texts } = await completions.complete(query('done();\n|'), never);
    assert.deepEqual([texts, trace.source], [['next();'], 'model']);
  });

  it('stops if a more urgent request waits', async () => {
    const order: string[] = [];
    const { completions } = scriptedCompletions(async ({ prefix }, { checkCancelled }) => {
      order.push(prefix);
      for (let step = 0; step < 5; step++) await checkCancelled!();
      order.push(`${prefix} done`);
      return written(['x = 1;']);
    });
    const prefetching = completions.prefetch(query('far|'));
    await completions.complete(query('near|', { trigger: 'invoked' }), never);
    await prefetching;
    assert.deepEqual(order.at(-1), 'near done');
    assert.ok(!order.includes('far done'));
  });

  it('is not made if the setting disables it', async () => {
    const { completions, requests } = scriptedCompletions(() => written(['x']), { prefetch: false });
    await completions.prefetch(query('a|'));
    assert.equal(requests.length, 0);
  });
});
