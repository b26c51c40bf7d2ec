import { spawn } from 'node:child_process';
import path from 'node:path';
import {
  createMessageConnection,
  type MessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import { resolveModel } from '../src/catalogue/resolve-model.ts';
import { canvasWidth } from '../src/diffusion/infill.ts';
import { UserError } from '../src/platform/errors.ts';
import { dataHome } from '../src/platform/files.ts';
import { Random } from '../src/platform/random.ts';
import { defaultSettings } from '../src/protocol/default-settings.ts';
import {
  type CompletionTrace,
  lastCompletion,
  type RuntimeSettings,
  settingsChanged,
} from '../src/protocol/runtime.ts';
import { languageOf } from '../src/syntax/trees.ts';
import { listedPackages, readCorpus, type SourceFile } from '../src/training/code/corpus.ts';
import { readSources } from '../src/training/code/source-files.ts';
import { type BenchResult, benchResult } from './result.ts';
import { ownProgram } from './worker.ts';

/** Completions of an editor: the server of `unmask serve` in a process of its own, asked as VS Code asks it. */
export interface CompletionBench {
  readonly device: { readonly engine: string; readonly device: string };
  /** The model that completes. */
  readonly model: string;
  /** A folder of sources to complete in; absent: the packages that the bundled model was not trained on. */
  readonly files?: string | undefined;
  readonly requests: number;
  /** Which results are wanted. */
  readonly wants: (name: string) => boolean;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/** How long completions took, from the keystroke's message to the answer, the wait for the next keystroke left out. */
export interface CompletionLatencies {
  readonly model: string;
  readonly requests: number;
  readonly multiline: Run['multiline'];
  /** Milliseconds that a user's setting waits for the next keystroke before any of this; not in the numbers below. */
  readonly debounce: number;
  /** Tokens of the canvas, and of the text around it on average. */
  readonly canvas: number;
  readonly contextTokens: number;
  /** Forward passes of a completion, on average. */
  readonly forwards: number;
  /** Share of the requests whose completion was worth showing. */
  readonly shown: number;
  /** Milliseconds by the share of requests that took no longer. */
  readonly percentiles: Readonly<Record<string, number>>;
}

/** What is aimed at by default settings, milliseconds; on two cores of a CPU. */
const aim = 300;
/** Tokens of text around the cursor. */
const contextTokens = 512;
/** Requests before the measured ones: a shape of text that is met first costs the making of its program. */
const warmUps = 20;
const shares = [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99] as const;

/** What is timed, by the setting `unmask.completions.multiline`: its default, and what takes longest. */
const runs = [
  { multiline: 'auto', p50: 'completion-p50', p95: 'completion-p95' },
  { multiline: 'always', p50: 'completion-p50:lines', p95: 'completion-p95:lines' },
] as const;

type Run = (typeof runs)[number];

export const completionNames: readonly string[] = runs.flatMap(({ p50, p95 }) => [p50, p95]);

/** Types at places of files that the model never saw, each in a document of its own, so that nothing is cached. */
export async function measureCompletions(
  bench: CompletionBench,
): Promise<{ results: BenchResult[]; latencies: CompletionLatencies[] }> {
  const files = await sources(bench);
  const measured = [];
  for (const run of runs)
    if (bench.wants(run.p50) || bench.wants(run.p95)) measured.push(await measureRun(bench, files, run));
  return {
    results: measured.flatMap(({ results }) => results),
    latencies: measured.map(({ latencies }) => latencies),
  };
}

async function measureRun(bench: CompletionBench, files: readonly SourceFile[], { multiline, p50, p95 }: Run) {
  const { requests, signal, progress, model } = bench;
  const places = typingPlaces(files, requests + warmUps);
  const { command, args } = ownProgram();
  const server = spawn(command, [...args, 'serve'], { stdio: ['pipe', 'pipe', 'ignore'], windowsHide: true, signal });
  // An abort ends the process, which ends the connection below.
  server.on('error', () => undefined);
  try {
    const editor = await connect(server.stdout, server.stdin, settingsOf(bench, multiline));
    const traces: CompletionTrace[] = [];
    const milliseconds: number[] = [];
    for (const [index, place] of places.entries()) {
      signal.throwIfAborted();
      if (index % 50 === 0) progress(`Completing at place ${index + 1} of ${places.length}`);
      const took = await type(editor, place, index);
      const trace = await editor.sendRequest<CompletionTrace>(lastCompletion);
      if (!['shown', 'discarded'].includes(trace.outcome))
        throw new UserError(`A completion ended as ${trace.outcome}: ${trace.reason}`);
      if (index < warmUps) continue;
      milliseconds.push(took);
      traces.push(trace);
    }
    const sorted = milliseconds.toSorted((a, b) => a - b);
    const at = (share: number) => Number((sorted[Math.ceil(share * sorted.length) - 1] as number).toFixed(1));
    const latencies: CompletionLatencies = {
      model,
      requests,
      multiline,
      debounce: defaultSettings.completions.debounce,
      canvas: canvasWidth((await resolveModel(model)).generation, false),
      contextTokens: mean(traces.map((trace) => trace.contextTokens ?? 0)),
      forwards: mean(traces.map((trace) => trace.forwards ?? 0)),
      shown: mean(traces.map(({ outcome }) => Number(outcome === 'shown'))),
      percentiles: Object.fromEntries(shares.map((share) => [`p${share * 100}`, at(share)])),
    };
    const peer = `the aim, ${aim} ms on two cores`;
    return {
      latencies,
      results: [
        multiline === 'auto'
          ? benchResult({ name: p50, unit: 'ms', value: at(0.5), peer, peerValue: aim, target: 1 })
          : benchResult({ name: p50, unit: 'ms', value: at(0.5) }),
        benchResult({ name: p95, unit: 'ms', value: at(0.95) }),
      ],
    };
  } finally {
    server.kill();
  }
}

async function sources({ files, progress, signal }: CompletionBench): Promise<readonly SourceFile[]> {
  if (files !== undefined) return readSources(files);
  const heldOut = listedPackages.filter(({ part }) => part === 'validation');
  const corpus = await readCorpus(path.join(dataHome(), 'cache', 'sources'), { progress, signal }, heldOut);
  return corpus.validation;
}

/** A place in a file: what stands before the last keystroke, the keystroke, and what stands behind the cursor. */
interface TypingPlace {
  readonly name: string;
  readonly language: string;
  readonly before: string;
  readonly key: string;
  readonly behind: string;
}

/** Characters on each side that surely hold the tokens that are read. */
const room = contextTokens * 3;

/** Random places within lines, with more text around each than is read. */
function typingPlaces(files: readonly SourceFile[], count: number): TypingPlace[] {
  const long = files.filter(({ path: name, text }) => text.length > 2.5 * room && languageOf(name) !== null);
  if (long.length === 0) throw new UserError('No source file is long enough to be completed in; give another folder.');
  const random = new Random(0, 'typing places');
  return Array.from({ length: count }, () => {
    for (;;) {
      const { path: name, text } = random.pick(long);
      const cursor = room + random.integer(text.length - 2 * room);
      const key = text[cursor - 1] as string;
      // In the midst of a line and not of a name: where suggestions are asked for.
      if (!/[\w.(,=:{]/.test(key) || /[\w\s]/.test(text[cursor] as string)) continue;
      const language = languageOf(name) as string;
      return { name, language, before: text.slice(0, cursor - 1), key, behind: text.slice(cursor) };
    }
  });
}

function settingsOf({ device, model }: CompletionBench, multiline: Run['multiline']): RuntimeSettings {
  const completions = {
    ...defaultSettings.completions,
    debounce: 0,
    contextTokens,
    multiline,
    prefetch: false,
  };
  // Wherever the cursor stands, so that what is measured is the model and not a refusal.
  return { model, ...device, completions: { ...completions, inCommentsAndStrings: true } };
}

async function connect(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
  settings: RuntimeSettings,
): Promise<MessageConnection> {
  const connection = createMessageConnection(new StreamMessageReader(input), new StreamMessageWriter(output));
  connection.listen();
  const closed = new Promise<never>((_, reject) =>
    connection.onClose(() => reject(new UserError('`unmask serve` ended before it had answered.'))),
  );
  closed.catch(() => undefined);
  await Promise.race([
    closed,
    connection.sendRequest('initialize', { processId: process.pid, rootUri: null, capabilities: {} }),
  ]);
  await connection.sendNotification('initialized', {});
  await connection.sendNotification(settingsChanged, settings);
  return connection;
}

/** Milliseconds from a keystroke to its completions. */
async function type(editor: MessageConnection, { name, language, before, key, behind }: TypingPlace, index: number) {
  const uri = `untitled:${index}/${name}`;
  const lines = before.split('\n');
  const position = { line: lines.length - 1, character: (lines.at(-1) as string).length };
  await editor.sendNotification('textDocument/didOpen', {
    textDocument: { uri, languageId: language, version: 1, text: before + behind },
  });
  const begin = performance.now();
  await editor.sendNotification('textDocument/didChange', {
    textDocument: { uri, version: 2 },
    contentChanges: [{ range: { start: position, end: position }, text: key }],
  });
  await editor.sendRequest('textDocument/inlineCompletion', {
    textDocument: { uri },
    position: { ...position, character: position.character + 1 },
    context: { triggerKind: 2 },
  });
  const took = performance.now() - begin;
  await editor.sendNotification('textDocument/didClose', { textDocument: { uri } });
  return took;
}

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, number) => sum + number, 0) / Math.max(1, numbers.length);
