import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  CancellationTokenSource,
  createMessageConnection,
  type MessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import { Random } from '../../src/platform/random.ts';
import { defaultSettings } from '../../src/protocol/default-settings.ts';
import { settingsChanged } from '../../src/protocol/runtime.ts';

export interface LoadOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly log?: (line: string) => void;
}

export interface LoadFigures {
  readonly requests: number;
  readonly cancelled: number;
  /** Requests that were not answered: none, or the test fails. */
  readonly unanswered: number;
  /** The longest time in milliseconds between a request and its answer, or its cancellation and its answer. */
  readonly slowest: number;
  /** The largest number of requests that were waiting for an answer at a time. */
  readonly backlog: number;
  /** Change of the process's memory in MiB per minute, after the first third of the time; null if it was too short. */
  readonly slope: number | null;
  /** Milliseconds from `shutdown` until the process had ended. */
  readonly shutdown: number;
  /** What the server may use of the processor, in words. */
  readonly limit: string;
  /** Processor cores that it had, on average: less than its limit on a busy machine. Null where the system does not say. */
  readonly cores: number | null;
}

/** Milliseconds between two keystrokes, each with a request. */
const keystroke = 50;
/** How many requests of ten are cancelled by the next keystrokes, as VS Code does; the others are only superseded. */
const cancelledOfTen = 8;
/** Documents in which the user types in turn, and keystrokes in one before the next. */
const documents = 3;
const turn = 40;
/** Seconds of measurements that a slope needs. */
const slopeNeeds = 60;
/** Milliseconds from the last keystroke after which an answer counts as missing. */
const patience = 60_000;

const bundle = fileURLToPath(new URL('../../dist/unmask.mjs', import.meta.url));

/**
 * Types into the language server at 20 requests a second, most of which are cancelled, with the bundled code model on half of a
 * processor core, and ends it in the middle.
 */
export async function loadServer({ seconds, seed, log }: LoadOptions): Promise<LoadFigures> {
  const home = await mkdtemp(path.join(tmpdir(), 'unmask-load-'));
  const child = spawn(process.execPath, [bundle, 'serve'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, UNMASK_HOME: home },
  });
  const half = await halfCore(child.pid!);
  try {
    const connection = await handshake(child);
    const text = await readFile(fileURLToPath(new URL('../../src/runs/writer.ts', import.meta.url)), 'utf8');
    await warmUp(connection, text);
    const memory: { seconds: number; mebibytes: number }[] = [];
    const session = new TypingSession(connection, text, new Random(seed, 'load'));
    const used = await processorSeconds(child.pid!);
    const started = performance.now();
    for (let beat = 0; performance.now() - started < 1000 * seconds; beat++) {
      const due = started + beat * keystroke - performance.now();
      if (due > 0) await delay(due);
      await session.keystroke(beat);
      if (beat % 20 !== 0) continue;
      memory.push({ seconds: (performance.now() - started) / 1000, mebibytes: await residentMebibytes(child.pid!) });
      if (beat % 200 === 0) log?.(session.summary(memory.at(-1)!.mebibytes));
    }
    await session.end();
    const cores = ((await processorSeconds(child.pid!)) - used) / ((performance.now() - started) / 1000);
    const figures = session.figures();
    // The server is ended while it computes.
    for (let beat = 0; beat < 5; beat++) await session.keystroke(beat);
    const stopped = performance.now();
    await connection.sendRequest('shutdown');
    await connection.sendNotification('exit');
    await once(child, 'exit');
    const shutdown = performance.now() - stopped;
    connection.dispose();
    return {
      ...figures,
      slope: slopeOf(memory),
      shutdown,
      limit: half.name,
      cores: Number.isNaN(cores) ? null : cores,
    };
  } finally {
    const isOver = child.exitCode !== null || child.signalCode !== null;
    if (!isOver) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await half.remove();
    await rm(home, { recursive: true, force: true });
  }
}

async function handshake(child: ChildProcess): Promise<MessageConnection> {
  const connection = createMessageConnection(
    new StreamMessageReader(child.stdout!),
    new StreamMessageWriter(child.stdin!),
  );
  connection.listen();
  await connection.sendRequest('initialize', { processId: process.pid, rootUri: null, capabilities: {} });
  await connection.sendNotification('initialized', {});
  const { completions } = defaultSettings;
  const settings = { ...defaultSettings, engine: 'onnx', device: 'cpu', completions: { ...completions, debounce: 0 } };
  await connection.sendNotification(settingsChanged, settings);
  return connection;
}

const uriOf = (index: number): string => `file:///torture/writer-${index}.ts`;

/** Opens the documents and waits until the model is loaded. */
async function warmUp(connection: MessageConnection, text: string): Promise<void> {
  const [head] = text.split('async log(');
  for (let index = 0; index < documents; index++) {
    const textDocument = { uri: uriOf(index), languageId: 'typescript', version: 1, text: head };
    await connection.sendNotification('textDocument/didOpen', { textDocument });
  }
  const lines = head!.split('\n');
  await connection.sendRequest('textDocument/inlineCompletion', {
    textDocument: { uri: uriOf(0) },
    position: { line: lines.length - 1, character: lines.at(-1)!.length },
    context: { triggerKind: 1 },
  });
}

/** The keystrokes of a user, and what became of their requests. */
class TypingSession {
  readonly #connection: MessageConnection;
  readonly #random: Random;
  readonly #typed: string;
  readonly #positions: { line: number; character: number; version: number; next: number }[];
  readonly #waiting = new Map<number, CancellationTokenSource | null>();
  readonly #durations: number[] = [];
  #requests = 0;
  #cancelled = 0;
  #backlog = 0;

  constructor(connection: MessageConnection, text: string, random: Random) {
    this.#connection = connection;
    this.#random = random;
    const at = text.indexOf('async log(');
    this.#typed = text.slice(at);
    const before = text.slice(0, at).split('\n');
    const position = { line: before.length - 1, character: before.at(-1)!.length, version: 1, next: 0 };
    this.#positions = Array.from({ length: documents }, () => ({ ...position }));
  }

  /** Types the next character, requests a completion after it, and cancels earlier requests. */
  async keystroke(beat: number): Promise<void> {
    const index = Math.floor(beat / turn) % documents;
    const at = this.#positions[index]!;
    const uri = uriOf(index);
    const letter = this.#typed[at.next++ % this.#typed.length]!;
    const start = { line: at.line, character: at.character };
    at.version++;
    await this.#connection.sendNotification('textDocument/didChange', {
      textDocument: { uri, version: at.version },
      contentChanges: [{ range: { start, end: start }, text: letter }],
    });
    if (letter === '\n') Object.assign(at, { line: at.line + 1, character: 0 });
    else at.character++;
    for (const source of this.#waiting.values()) source?.cancel();
    this.#request(uri, { line: at.line, character: at.character });
  }

  #request(uri: string, position: { line: number; character: number }): void {
    const id = this.#requests++;
    const source = this.#random.integer(10) < cancelledOfTen ? new CancellationTokenSource() : null;
    let since = performance.now();
    source?.token.onCancellationRequested(() => {
      since = performance.now();
      this.#cancelled++;
    });
    this.#waiting.set(id, source);
    this.#backlog = Math.max(this.#backlog, this.#waiting.size);
    const parameters = { textDocument: { uri }, position, context: { triggerKind: 2 } };
    const sent =
      source === null
        ? this.#connection.sendRequest('textDocument/inlineCompletion', parameters)
        : this.#connection.sendRequest('textDocument/inlineCompletion', parameters, source.token);
    // A cancelled request may be answered with an error, which is an answer.
    const answered = () => {
      this.#durations.push(performance.now() - since);
      this.#waiting.delete(id);
    };
    sent.then(answered, answered);
  }

  summary(mebibytes: number): string {
    const { requests, slowest, backlog } = this.figures();
    return `${requests} requests, slowest answer ${slowest.toFixed(0)} ms, backlog at most ${backlog}, ${mebibytes.toFixed(0)} MiB`;
  }

  /** Waits for the requests that have no answer yet. */
  async end(): Promise<void> {
    const limit = performance.now() + patience;
    while (this.#waiting.size > 0 && performance.now() < limit) await delay(10);
  }

  figures() {
    return {
      requests: this.#requests,
      cancelled: this.#cancelled,
      unanswered: this.#waiting.size,
      slowest: this.#durations.reduce((a, b) => Math.max(a, b), 0),
      backlog: this.#backlog,
    };
  }
}

async function residentMebibytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? Number.NaN) / 1024;
}

/** Processor time that a process has used (Linux: clock ticks of a hundredth of a second). */
async function processorSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return ((user ?? Number.NaN) + (system ?? Number.NaN)) / 100;
}

/** The slope of a straight line through the measurements after the first third, in MiB per minute. */
function slopeOf(measurements: readonly { seconds: number; mebibytes: number }[]): number | null {
  const rest = measurements.slice(Math.floor(measurements.length / 3));
  if (rest.length < 2 || rest.at(-1)!.seconds - rest[0]!.seconds < slopeNeeds || Number.isNaN(rest[0]!.mebibytes))
    return null;
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [x, y] = [mean(rest.map(({ seconds }) => seconds)), mean(rest.map(({ mebibytes }) => mebibytes))];
  const covariance = mean(rest.map(({ seconds, mebibytes }) => (seconds - x) * (mebibytes - y)));
  return (60 * covariance) / mean(rest.map(({ seconds }) => (seconds - x) ** 2));
}

/** Limits a process to half of a core with a control group (Linux, as root); otherwise it has all of them. */
async function halfCore(pid: number): Promise<{ readonly name: string; remove(): Promise<void> }> {
  const name = `unmask-torture-${pid}`;
  const attempts = [
    { folder: `/sys/fs/cgroup/cpu/${name}`, limit: { 'cpu.cfs_period_us': '100000', 'cpu.cfs_quota_us': '50000' } },
    { folder: `/sys/fs/cgroup/${name}`, limit: { 'cpu.max': '50000 100000' } },
  ];
  for (const { folder, limit } of attempts) {
    const remove = () => rmdir(folder).catch(() => undefined);
    try {
      await mkdir(folder);
      for (const [file, value] of Object.entries(limit))
        await writeFile(path.join(folder, file), value, { flag: 'r+' });
      await writeFile(path.join(folder, 'cgroup.procs'), String(pid), { flag: 'r+' });
      return { name: 'half of a core', remove };
    } catch {
      await remove();
    }
  }
  return { name: 'all cores, because a control group cannot be created here (root is needed)', remove: async () => {} };
}

/** Asserts what the document promises of a server under load. */
export function assertServed({ unanswered, backlog, slowest, shutdown, slope }: LoadFigures, bounds: LoadBounds): void {
  assert.equal(unanswered, 0, 'every request is answered');
  assert.ok(backlog <= bounds.backlog, `${backlog} requests waited at a time`);
  assert.ok(slowest <= bounds.slowest, `an answer took ${slowest} ms`);
  assert.ok(shutdown <= bounds.shutdown, `shutdown took ${shutdown} ms`);
  assert.ok(slope === null || slope <= bounds.slope, `memory grew by ${slope} MiB per minute`);
}

export interface LoadBounds {
  readonly backlog: number;
  readonly slowest: number;
  readonly shutdown: number;
  readonly slope: number;
}
