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

/** Options for measuring editor completions: requests as VS Code makes them, to `unmask serve` in its own process. */
export interface CompletionBench {
  readonly device: { readonly engine: string; readonly device: string };
  /** The model to measure. */
  readonly model: string;
  /** Folder of source files to complete in; absent: the packages that the bundled model was not trained on. */
  readonly files?: string | undefined;
  readonly requests: number;
  /** Whether the result with this name is requested. */
  readonly isSelected: (name: string) => boolean;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/** Latencies of completions, from the keystroke's message to the answer, without the debounce time. */
export interface CompletionLatencies {
  readonly model: string;
  readonly requests: number;
  readonly multiline: Run['multiline'];
  /** Debounce time in milliseconds: the wait for another keystroke. Not included in the latencies. */
  readonly debounce: number;
  /** Canvas tokens, and mean number of context tokens. */
  readonly canvas: number;
  readonly contextTokens: number;
  /** Mean number of forward passes per completion. */
  readonly forwards: number;
  /** Share of the requests with a completion that was good enough to show. */
  readonly shown: number;
  /** Percentiles of the latency in milliseconds. */
  readonly percentiles: Readonly<Record<string, number>>;
}

/** Target latency in milliseconds with default settings, on two CPU cores. */
const aim = 300;
/** Maximum number of context tokens around the cursor. */
const contextTokens = 512;
/** Number of requests before the measured ones, because the first request of each input shape compiles a program. */
const warmUps = 20;
const shares = [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99] as const;

/** The measured values of the setting `unmask.completions.multiline`: the default, and the slowest. */
const runs = [
  { multiline: 'auto', p50: 'completion-p50', p95: 'completion-p95' },
  { multiline: 'always', p50: 'completion-p50:lines', p95: 'completion-p95:lines' },
] as const;

type Run = (typeof runs)[number];

export const completionNames: readonly string[] = runs.flatMap(({ p50, p95 }) => [p50, p95]);

/** Types at positions in files that the model was not trained on, each in a new document, so that nothing is cached. */
export async function measureCompletions(
  bench: CompletionBench,
): Promise<{ results: BenchResult[]; latencies: CompletionLatencies[] }> {
  const files = await sources(bench);
  const measured = [];
  for (const run of runs)
    if (bench.isSelected(run.p50) || bench.isSelected(run.p95)) measured.push(await measureRun(bench, files, run));
  return {
    results: measured.flatMap(({ results }) => results),
    latencies: measured.map(({ latencies }) => latencies),
  };
}

async function measureRun(bench: CompletionBench, files: readonly SourceFile[], { multiline, p50, p95 }: Run) {
  const { requests, signal, progress, model } = bench;
  const positions = typingPositions(files, requests + warmUps);
  const { command, args } = ownProgram();
  const server = spawn(command, [...args, 'serve'], { stdio: ['pipe', 'pipe', 'ignore'], windowsHide: true, signal });
  // An abort kills the process, which closes the connection below, so this error needs no handling.
  server.on('error', () => undefined);
  try {
    const editor = await connect(server.stdout, server.stdin, settingsOf(bench, multiline));
    const traces: CompletionTrace[] = [];
    const milliseconds: number[] = [];
    for (const [index, position] of positions.entries()) {
      signal.throwIfAborted();
      if (index % 50 === 0) progress(`Completing at position ${index + 1} of ${positions.length}`);
      const took = await type(editor, position, index);
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

/** A position in a file: the text before the last keystroke, the keystroke, and the text after the cursor. */
interface TypingPosition {
  readonly name: string;
  readonly language: string;
  readonly before: string;
  readonly key: string;
  readonly suffix: string;
}

/** Number of characters on each side that certainly contain the context tokens. */
const contextCharacters = contextTokens * 3;

/** Random positions within lines, with more text around each than the context limit. */
function typingPositions(files: readonly SourceFile[], count: number): TypingPosition[] {
  const long = files.filter(
    ({ path: name, text }) => text.length > 2.5 * contextCharacters && languageOf(name) !== null,
  );
  if (long.length === 0) throw new UserError('No source file is long enough to be completed in; give another folder.');
  const random = new Random(0, 'typing places');
  return Array.from({ length: count }, () => {
    for (;;) {
      const { path: name, text } = random.pick(long);
      const cursor = contextCharacters + random.integer(text.length - 2 * contextCharacters);
      const key = text[cursor - 1] as string;
      // Within a line but not within a name, where an editor requests suggestions.
      if (!/[\w.(,=:{]/.test(key) || /[\w\s]/.test(text[cursor] as string)) continue;
      const language = languageOf(name) as string;
      return { name, language, before: text.slice(0, cursor - 1), key, suffix: text.slice(cursor) };
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
  // Completions are also enabled in comments and strings; otherwise some requests would return without running the model.
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
async function type(editor: MessageConnection, { name, language, before, key, suffix }: TypingPosition, index: number) {
  const uri = `untitled:${index}/${name}`;
  const lines = before.split('\n');
  const position = { line: lines.length - 1, character: (lines.at(-1) as string).length };
  await editor.sendNotification('textDocument/didOpen', {
    textDocument: { uri, languageId: language, version: 1, text: before + suffix },
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
