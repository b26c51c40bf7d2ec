import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../bench/free-port.ts';
import { unpackedDebianPackages } from '../../scripts/testing/debian-packages.ts';
import { messageOf } from '../../src/platform/errors.ts';

interface RedisProgram {
  readonly file: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Redis: the one on PATH, otherwise Debian's, which is unpacked into the test cache. A text is the reason why there is none. */
export async function findRedis(): Promise<RedisProgram | string> {
  const onPath = (process.env.PATH ?? '').split(path.delimiter).map((folder) => path.join(folder, 'redis-server'));
  const installed = onPath.find((file) => existsSync(file));
  if (installed !== undefined) return { file: installed, env: process.env };
  try {
    const folder = await unpackedDebianPackages('redis', ['redis-server']);
    const libraries = path.join(folder, 'usr', 'lib');
    const folders = readdirSync(libraries).filter((name) => name.endsWith('-linux-gnu'));
    const search = [...folders.map((name) => path.join(libraries, name)), process.env.LD_LIBRARY_PATH];
    const env = { ...process.env, LD_LIBRARY_PATH: search.filter((part) => part !== undefined).join(path.delimiter) };
    return { file: path.join(folder, 'usr', 'bin', 'redis-server'), env };
  } catch (error) {
    return `there is no redis-server, and Debian's could not be fetched (${messageOf(error)})`;
  }
}

/** A Redis server on this machine that keeps nothing on disk. */
export class RedisServer {
  readonly port: number;
  readonly #program: RedisProgram;
  readonly #folder: string;
  readonly #args: readonly string[];
  #process: ChildProcess | undefined;

  /** Starts a server; `args` are further options of redis-server. */
  static async start(program: RedisProgram, args: readonly string[] = []): Promise<RedisServer> {
    const folder = await mkdtemp(path.join(tmpdir(), 'unmask-redis-'));
    const server = new RedisServer(program, folder, await freePort(), args);
    await server.start();
    return server;
  }

  private constructor(program: RedisProgram, folder: string, port: number, args: readonly string[]) {
    this.#program = program;
    this.#folder = folder;
    this.port = port;
    this.#args = args;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const { file, env } = this.#program;
    const options = ['--port', `${this.port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    this.#process = spawn(file, [...options, '--dir', this.#folder, ...this.#args], { env, stdio: 'ignore' });
    for (let tries = 0; tries < 600; tries++) {
      if (await answers(this.port)) return;
      await delay(50);
    }
    throw new Error('redis-server does not answer');
  }

  /** Kills the server, which loses everything on it. */
  async kill(): Promise<void> {
    const ended = this.#process && once(this.#process, 'exit');
    this.#process?.kill('SIGKILL');
    await ended;
    this.#process = undefined;
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Whether a server answers to PING, even if it wants a password first. */
async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    socket.write('PING\r\n');
    await once(socket, 'data');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
