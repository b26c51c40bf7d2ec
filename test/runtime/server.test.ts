import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  CancellationTokenSource,
  createConnection,
  createMessageConnection,
  type MessageConnection,
  ProposedFeatures,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import { writeCheckpoint } from '../../src/model/checkpoint.ts';
import { defaultSettings } from '../../src/protocol/default-settings.ts';
import type { Denoising } from '../../src/protocol/report.ts';
import type * as protocol from '../../src/protocol/runtime.ts';
import {
  completionFrame,
  cursorRests,
  denoiseHere,
  lastCompletion,
  listModels,
  sampleDenoising,
  settingsChanged,
  statusChanged,
  suggestionAccepted,
  watchCompletions,
} from '../../src/protocol/runtime.ts';
import type { SampleRecord } from '../../src/protocol/sample.ts';
import { createRunDirectory } from '../../src/runs/directory.ts';
import { runFile, stepName } from '../../src/runs/layout.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { serve } from '../../src/runtime/server.ts';
import { tinyCheckpoint } from '../model/tiny-model.ts';
import { newRun } from '../runs/example.ts';

const uri = 'file:///work/a.ts';
let home: string;
let model: string;
let homeBefore: string | undefined;
before(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'unmask-server-'));
  homeBefore = process.env.UNMASK_HOME;
  process.env.UNMASK_HOME = home;
  model = path.join(home, 'models', 'tiny-code');
  await writeCheckpoint(model, tinyCheckpoint({ attention: 'prefix-lm', eom_token_id: 3, num_hidden_layers: 2 }));
  await writeCheckpoint(path.join(home, 'models', 'no-code'), tinyCheckpoint());
});
after(async () => {
  if (homeBefore === undefined) delete process.env.UNMASK_HOME;
  else process.env.UNMASK_HOME = homeBefore;
  await rm(home, { recursive: true });
});

const settings = (
  changes: Partial<protocol.CompletionSettings> = {},
  name = 'tiny-code',
): protocol.RuntimeSettings => ({
  model: name,
  engine: 'onnx',
  device: 'cpu',
  // A tiny model with random weights has low confidence, so the tests read its completions from the trace.
  completions: { ...defaultSettings.completions, debounce: 0, ...changes },
});

interface Client {
  readonly connection: MessageConnection;
  readonly statuses: protocol.RuntimeStatus[];
  complete(line: number, character: number, kind?: 'automatic' | 'invoked'): Promise<{ insertText: string }[] | null>;
  open(text: string): Promise<void>;
}

/** A client on two streams, after the handshake. */
async function client(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Promise<Client> {
  const connection = createMessageConnection(new StreamMessageReader(input), new StreamMessageWriter(output));
  const statuses: protocol.RuntimeStatus[] = [];
  connection.onNotification(statusChanged, (status: protocol.RuntimeStatus) => {
    statuses.push(status);
  });
  connection.listen();
  const { capabilities } = (await connection.sendRequest('initialize', {
    // A server in the same process must not wait for that process to end.
    processId: null,
    rootUri: null,
    capabilities: {},
  })) as { capabilities: { inlineCompletionProvider?: object } };
  assert.ok(capabilities.inlineCompletionProvider);
  await connection.sendNotification('initialized', {});
  return {
    connection,
    statuses,
    complete: (line, character, kind = 'automatic') =>
      connection.sendRequest('textDocument/inlineCompletion', {
        textDocument: { uri },
        position: { line, character },
        context: { triggerKind: kind === 'invoked' ? 1 : 2 },
      }),
    open: (text) =>
      connection.sendNotification('textDocument/didOpen', {
        textDocument: { uri, languageId: 'typescript', version: 1, text },
      }),
  };
}

/** A server in this process, on a pair of streams. */
async function inProcess(...infiller: Parameters<typeof serve> extends [unknown, ...infer Rest] ? Rest : never) {
  const [toServer, toClient] = [new PassThrough(), new PassThrough()];
  serve(createConnection(ProposedFeatures.all, toServer, toClient), ...infiller);
  return client(toClient, toServer);
}

const answer = (...texts: string[]): ReturnType<NonNullable<Parameters<typeof serve>[1]>> => {
  const positions = {
    tokens: new Int32Array(1),
    revealedAt: new Int32Array(1),
    confidence: new Float32Array(1),
    entropy: new Float32Array(1),
    forwards: 1,
  };
  return Promise.resolve({
    alternatives: texts.map((text) => ({ ...positions, text, length: 1, ended: true, meanConfidence: 0.9 })),
    healed: '',
    contextTokens: 3,
    forwards: 1,
    contextMilliseconds: 1,
    denoiseMilliseconds: 1,
  });
};

/** A run with two samples in its third step and no checkpoint. The base has the tokenizer. */
async function runOfTwoSamples(): Promise<string> {
  const dir = await createRunDirectory(path.join(home, 'runs'), {
    kind: 'tune',
    task: 'sudoku4x4',
    model: 'no-code',
    objective: 'spg-mixture',
    seed: 1,
    steps: 3,
    settings: {},
    device: { engine: 'onnx', device: 'cpu' },
    versions: {},
  });
  const tokens = tinyCheckpoint().tokenizer.encode('3214');
  const sample: SampleRecord = {
    prompt: '3014002020004130:',
    completion: '3214',
    rewards: { rules: 0.5, total: 0.5 },
    advantage: 0,
    policyVersion: 2,
    seed: 1,
    tokens,
    revealedAt: [0, 1, 1, 0],
    confidence: [0.9, 0.8, 0.7, 0.6],
  };
  const folder = runFile(dir).samples;
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, `${stepName(3)}.jsonl`), `${JSON.stringify(sample)}\n`.repeat(2));
  return dir;
}

describe('the language server', () => {
  it('completes, reports how it decided, and counts accepted suggestions', async () => {
    const prefixes: string[] = [];
    const { connection, complete, open } = await inProcess(({ prefix }) => {
      prefixes.push(prefix);
      return answer(prefix.endsWith('= ') ? '1 + 2;' : 'more();');
    });
    await connection.sendNotification(settingsChanged, settings());
    await open('const a = ');
    const items = (await complete(0, 10)) as unknown as {
      insertText: string;
      range: object;
      command: { command: string; arguments: [protocol.AcceptedSuggestion] };
    }[];
    assert.deepEqual(
      items.map(({ insertText, range }) => [insertText, range]),
      [['1 + 2;', { start: { line: 0, character: 10 }, end: { line: 0, character: 10 } }]],
    );
    assert.equal(items[0]!.command.command, 'unmask.suggestionAccepted');
    const trace = (await connection.sendRequest(lastCompletion)) as protocol.CompletionTrace;
    assert.deepEqual([trace.outcome, trace.uri, trace.line, trace.character], ['shown', uri, 0, 10]);

    // Accepted: the text is in the document, and the next suggestion is prefetched.
    await connection.sendNotification('textDocument/didChange', {
      textDocument: { uri, version: 2 },
      contentChanges: [
        { range: { start: { line: 0, character: 10 }, end: { line: 0, character: 10 } }, text: '1 + 2;' },
      ],
    });
    await connection.sendNotification(suggestionAccepted, items[0]!.command.arguments[0]);
    while (prefixes.length < 2) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(prefixes[1], 'const a = 1 + 2;');
    assert.deepEqual(
      (await complete(0, 16))?.map(({ insertText }) => insertText),
      ['more();'],
    );
    assert.equal(prefixes.length, 2);
    connection.dispose();
  });

  it('continues the selected item of an open suggestion list, and prefetches after both', async () => {
    const prefixes: string[] = [];
    const { connection, open } = await inProcess(({ prefix, suffix }) => {
      prefixes.push(`${prefix}|${suffix}`);
      return answer(prefix.endsWith(';') ? 'next();' : '(prices);');
    });
    await connection.sendNotification(settingsChanged, settings());
    await open('const total = su\n');
    const ask = (selectedCompletionInfo: unknown, character = 16) =>
      connection.sendRequest('textDocument/inlineCompletion', {
        textDocument: { uri },
        position: { line: 0, character },
        context: { triggerKind: 2, selectedCompletionInfo },
      }) as Promise<
        { insertText: string; range: unknown; command: { arguments: [protocol.AcceptedSuggestion] } }[] | null
      >;
    const range = (from: number, to: number) => ({
      start: { line: 0, character: from },
      end: { line: 0, character: to },
    });
    const items = await ask({ text: 'sumOf', range: range(14, 16) });
    assert.deepEqual(
      items?.map((item) => [item.insertText, item.range]),
      [['sumOf(prices);', range(14, 16)]],
    );
    assert.deepEqual(prefixes, ['const total = sumOf|\n']);
    const trace = (await connection.sendRequest(lastCompletion)) as protocol.CompletionTrace;
    assert.ok(trace.path.some((step) => step.includes('begins with its selected item')));

    await connection.sendNotification('textDocument/didChange', {
      textDocument: { uri, version: 2 },
      contentChanges: [{ range: range(14, 16), text: 'sumOf(prices);' }],
    });
    await connection.sendNotification(suggestionAccepted, items![0]!.command.arguments[0]);
    while (prefixes.length < 2) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(prefixes[1], 'const total = sumOf(prices);|\n');
    // An item that is not at the cursor: nothing that it would hide is suggested.
    assert.deepEqual(await ask({ text: 'x', range: range(0, 5) }, 28), []);
    assert.deepEqual(
      (await ask(null, 28))?.map(({ insertText }) => insertText),
      ['next();'],
    );
    connection.dispose();
  });

  describe('prefetches the suggestion after the accepted text', () => {
    /**
     * Completes a text at its end, and again after more was typed; accepts, and returns the position of the next
     * suggestion.
     */
    async function goesOnBehind(texts: string[], { text = 'const a = ', typed = '', accepted = 0, lineEnd = '\n' }) {
      const prefixes: string[] = [];
      const { connection, complete, open } = await inProcess(({ prefix }) => {
        prefixes.push(prefix);
        return answer(...texts);
      });
      const insert = (character: number, inserted: string) =>
        connection.sendNotification('textDocument/didChange', {
          textDocument: { uri, version: 2 },
          contentChanges: [{ range: { start: { line: 0, character }, end: { line: 0, character } }, text: inserted }],
        });
      await connection.sendNotification(settingsChanged, settings());
      await open(text + `${lineEnd}// behind`.repeat(3));
      let items = await complete(0, text.length, 'invoked');
      if (typed !== '') {
        await insert(text.length, typed);
        items = await complete(0, text.length + typed.length);
      }
      const item = items![accepted] as unknown as {
        insertText: string;
        command: { arguments: [protocol.AcceptedSuggestion] };
      };
      await insert(text.length + typed.length, item.insertText);
      await connection.sendNotification(suggestionAccepted, item.command.arguments[0]);
      while (prefixes.length < 2) await new Promise((resolve) => setImmediate(resolve));
      connection.dispose();
      return prefixes[1];
    }

    it('if part of it was typed', async () => {
      assert.equal(await goesOnBehind(['one + two;'], { typed: 'one' }), 'const a = one + two;');
    });
    it('if it was not the first alternative', async () => {
      assert.equal(await goesOnBehind(['f();', 'longer(one);'], { accepted: 1 }), 'const a = longer(one);');
    });
    it('if it has Windows line endings', async () => {
      assert.equal(
        await goesOnBehind(['\n  a();\n  b();\n}'], { text: 'function f() {', lineEnd: '\r\n' }),
        'function f() {\n  a();\n  b();\n}',
      );
    });
  });

  it('cancels between two steps', async () => {
    let steps = 0;
    const { connection, open } = await inProcess(async (_, { checkCancelled }) => {
      for (;;) {
        steps++;
        await checkCancelled!();
      }
    });
    await connection.sendNotification(settingsChanged, settings());
    await open('a');
    const source = new CancellationTokenSource();
    const asking = connection.sendRequest(
      'textDocument/inlineCompletion',
      { textDocument: { uri }, position: { line: 0, character: 1 }, context: { triggerKind: 1 } },
      source.token,
    );
    while (steps < 3) await new Promise((resolve) => setImmediate(resolve));
    source.cancel();
    await asking.catch(() => undefined);
    const trace = (await connection.sendRequest(lastCompletion)) as protocol.CompletionTrace;
    assert.equal(trace.outcome, 'cancelled');
    const reached = steps;
    await connection.sendRequest(lastCompletion);
    assert.equal(steps, reached);
    connection.dispose();
  });

  it('loads the model on first use, switches to another one, and reports the error in one', async () => {
    const { connection, statuses, complete, open } = await inProcess();
    await connection.sendNotification(settingsChanged, settings());
    await open('1+2\n3+\n(4\n5*\n6-');
    await complete(0, 3, 'invoked');
    const trace = (await connection.sendRequest(lastCompletion)) as protocol.CompletionTrace;
    assert.equal(trace.source, 'model');
    assert.ok(trace.alternatives.length === 3 && trace.forwards! > 0);
    assert.deepEqual([...new Set(statuses.map(({ state }) => state))], ['idle', 'loading', 'ready']);
    assert.deepEqual(statuses.at(-1)?.device, { engine: 'onnx', device: 'cpu' });
    assert.equal(statuses.at(-1)?.latency.requests, 1);
    const timeOf = async () =>
      ((await connection.sendRequest(listModels)) as protocol.ModelSummary[]).find(({ name }) => name === 'tiny-code')
        ?.suggestion_milliseconds;
    assert.equal(await timeOf(), undefined, 'one suggestion says little');
    for (const line of [1, 2, 3, 4]) {
      await connection.sendNotification(cursorRests, { uri, line, character: 1 });
      await complete(line, 1, 'invoked');
    }
    // Positions outside the document, and documents that are not open, are ignored.
    for (const position of [
      { uri, line: 99, character: 0 },
      { uri: 'file:///nowhere.ts', line: 0, character: 0 },
      { uri, line: -1, character: 'x' },
    ])
      await connection.sendNotification(cursorRests, position);
    assert.equal(statuses.at(-1)?.latency.requests, 5);
    while ((await timeOf()) === undefined) await delay(20);
    assert.ok((await timeOf())! >= 1);

    for (const [name, problem] of [
      ['no-code', /not trained to complete code/],
      ['nowhere', /There is no model nowhere/],
    ] as const) {
      await connection.sendNotification(settingsChanged, settings({}, name));
      await complete(0, 3, 'invoked');
      assert.equal(statuses.at(-1)?.latency.requests, 0, 'the times are those of the model that was chosen');
      const { outcome, reason } = (await connection.sendRequest(lastCompletion)) as protocol.CompletionTrace;
      assert.equal(outcome, 'no-model');
      assert.match(reason, problem);
      assert.equal(statuses.at(-1)?.state, 'failed');
      assert.match(statuses.at(-1)?.problem ?? '', problem);
    }
    await connection.sendNotification(settingsChanged, settings());
    await complete(0, 3, 'invoked');
    assert.equal(statuses.at(-1)?.state, 'ready');
    connection.dispose();
  });

  it('releases memory that a job needs, reports this, and restores the model when the job has ended', async () => {
    const { connection, statuses, complete, open } = await inProcess();
    const status = async (wanted: protocol.RuntimeStatus['state']) => {
      for (let attempt = 0; attempt < 500 && statuses.at(-1)?.state !== wanted; attempt++) await delay(20);
      assert.equal(statuses.at(-1)?.state, wanted);
      return statuses.at(-1)?.problem ?? '';
    };
    const last = async () => (await connection.sendRequest(lastCompletion)) as protocol.CompletionTrace;
    await connection.sendNotification(settingsChanged, settings());
    await open('1+2');
    await complete(0, 3, 'invoked');
    await status('ready');

    const job = await RunWriter.create(path.join(home, 'runs'), { ...newRun, name: 'a large job', memory: 2 ** 50 });
    assert.match(
      await status('evicted'),
      /unloaded because a large job needs the memory: .* Completions resume when it ends\./,
    );
    assert.deepEqual(await complete(0, 3, 'invoked'), []);
    const { outcome, reason } = await last();
    assert.equal(outcome, 'no-model');
    assert.match(reason, /unloaded because a large job needs the memory/);

    await job.close('finished');
    assert.equal(await status('idle'), '');
    await complete(0, 3, 'invoked');
    assert.equal((await last()).source, 'model');
    await status('ready');
    connection.dispose();
  });

  it('shows a denoising trace step by step, and sends those of completions to subscribers', async () => {
    const { connection, complete, open } = await inProcess();
    await connection.sendNotification(settingsChanged, settings({ multiline: 'never' }));
    await open('1+2');
    const partial: protocol.DenoisingFrame[] = [];
    connection.onNotification('$/progress', ({ value }: { value: protocol.DenoisingFrame }) => {
      partial.push(value);
    });
    const parameters: protocol.DenoiseParameters = {
      uri,
      line: 0,
      character: 3,
      seed: 1,
      alternatives: 2,
      partialResultToken: 7,
    };
    const result = (await connection.sendRequest(denoiseHere, parameters)) as protocol.DenoiseResult;
    assert.equal(result.alternatives.length, 2);
    assert.equal(result.best, 0, 'a model with random weights writes nothing worth showing');
    for (const [alternative, { denoising }] of result.alternatives.entries()) {
      const { frames } = denoising;
      assert.deepEqual(
        frames,
        partial.filter((one) => one.alternative === alternative).map(({ frame }) => frame),
      );
      assert.ok(frames.at(-1)!.tokens.every((token) => token !== null));
      assert.deepEqual(
        frames[0]!.runnersUp!.map((others) => others?.length ?? null),
        frames[0]!.tokens.map((token) => (token === null ? null : 4)),
        'the alternatives of each revealed token',
      );
      assert.deepEqual(
        frames.map(({ step }) => step),
        [...frames.keys()],
      );
    }
    const frames: protocol.CompletionFrame[] = [];
    connection.onNotification(completionFrame, (frame: protocol.CompletionFrame) => {
      frames.push(frame);
    });
    await connection.sendNotification(watchCompletions, { on: true });
    await complete(0, 3, 'invoked');
    // Each one as it was when it was sent, and all of them before the answer.
    assert.deepEqual(
      frames.map(({ frame, done }) => [frame.step, done]),
      frames.map((_, step) => [step, step === frames.length - 1]),
    );
    for (const { frame } of frames) assert.equal(Math.max(...frame.revealedAt.map((step) => step ?? 0)), frame.step);
    assert.equal(frames.at(-1)?.done, true);
    assert.equal(frames.at(-1)!.frame.runnersUp!.length, frames.at(-1)!.frame.tokens.length);
    const closed = connection.sendRequest(denoiseHere, { ...parameters, uri: 'file:///closed.ts' });
    await assert.rejects(closed, /closed\.ts is not open; open it/);
    connection.dispose();
  });

  it('returns how a sample of a run was denoised, or why it cannot', async () => {
    const { connection } = await inProcess();
    const dir = await runOfTwoSamples();
    const ask = (parameters: Partial<protocol.SampleDenoisingParameters>) =>
      connection.sendRequest(sampleDenoising, { dir, step: 3, index: 0, ...parameters }) as Promise<Denoising>;
    const denoising = await ask({ index: 1 });
    assert.deepEqual(
      [denoising.title, denoising.prompt, denoising.outcome],
      ['Step 3, sample 2', '3014002020004130:', 'reward 0.5'],
    );
    assert.equal(denoising.layout?.given?.filter(Boolean).length, 8);
    assert.deepEqual(
      denoising.frames.map(({ tokens }) => tokens.filter((token) => token !== null).join('')),
      ['34', '3214'],
    );
    await assert.rejects(ask({ index: 2 }), /Step 3 of the run .* has 2 samples, so there is no sample 3/);
    await assert.rejects(ask({ step: 4 }), /has 0 samples/);
    await assert.rejects(ask({ dir: path.join(home, 'nowhere') }), /run\.json/);
    connection.dispose();
  });

  it('lists the models, and which of them complete code', async () => {
    const { connection } = await inProcess();
    const models = (await connection.sendRequest(listModels)) as protocol.ModelSummary[];
    const of = (name: string) => models.find((one) => one.name === name);
    assert.deepEqual(
      [of('tiny-code')?.kind, of('tiny-code')?.completes, of('no-code')?.completes],
      ['installed', true, false],
    );
    assert.equal(of('unmask-puzzles')?.kind, 'bundled');
    assert.ok(of('tiny-code')!.parameters! > 0 && of('tiny-code')!.bytes > 0);
    connection.dispose();
  });
});

describe('unmask serve', () => {
  const program = fileURLToPath(new URL('../../dist/unmask.mjs', import.meta.url));
  const start = (): ChildProcess =>
    spawn(process.execPath, [program, 'serve'], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, UNMASK_HOME: home },
    });

  it('is the same server in a separate process, and exits on request', { timeout: 60_000 }, async () => {
    const child = start();
    const { connection, complete, open } = await client(child.stdout!, child.stdin!);
    await connection.sendNotification(settingsChanged, settings());
    await open('1+2');
    await complete(0, 3, 'invoked');
    const trace = (await connection.sendRequest(lastCompletion)) as protocol.CompletionTrace;
    assert.equal(trace.source, 'model');
    const ended = once(child, 'exit');
    await connection.sendRequest('shutdown');
    await connection.sendNotification('exit');
    assert.deepEqual((await ended)[0], 0);
    connection.dispose();
  });

  it('ends with its parent', { timeout: 60_000 }, async () => {
    const child = start();
    const { connection } = await client(child.stdout!, child.stdin!);
    assert.equal(await connection.sendRequest(lastCompletion), null);
    connection.dispose();
    const ended = once(child, 'exit');
    child.stdin!.end();
    await ended;
  });
});
