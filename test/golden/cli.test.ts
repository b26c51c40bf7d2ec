/** What every subcommand prints, compared with the recorded transcripts in `test/golden/cli`. */
import assert from 'node:assert/strict';
import { copyFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Ended, enterHome, unmask } from '../cli/unmask.ts';
import { findRedis, RedisServer } from '../workers/redis-server.ts';
import { type Invocation, transcripts, writeFixtures } from './cli-cases.ts';
import { assertGolden } from './golden-file.ts';
import { maskNumbers, maskPositions } from './mask.ts';
import { sessionOf } from './serve-session.ts';

let home: string;
let leave: () => Promise<void>;
before(async () => {
  ({ home, leave } = await enterHome());
  await writeFixtures();
});
after(() => leave());

/** A command line and what it printed, as in a terminal that shows the two streams one after the other. */
function transcript(args: readonly string[], { code, stdout, stderr }: Ended): string {
  const stream = (name: string, text: string) =>
    text === '' ? '' : `[${name}]\n${text}${text.endsWith('\n') ? '' : '\n'}`;
  return maskPositions(
    `$ unmask ${args.join(' ')}\n${stream('stderr', stderr)}${stream('stdout', stdout)}[exit code ${code}]\n`,
    home,
  );
}

async function run({ args, mask = [], exact = false }: Invocation): Promise<{ code: number | null; text: string }> {
  const ended = await unmask(args);
  let text = transcript(args, ended);
  for (const [pattern, replacement] of mask) text = text.replace(pattern, replacement);
  // Functions are done in groups, in an order that depends on the machine.
  text = text.replace(/^\d+ of \d+ functions\n/gm, '');
  return { code: ended.code, text: exact ? text : maskNumbers(text) };
}

const help = async (name: string) => {
  const args = [name, '--help'];
  return transcript(args, await unmask(args));
};

describe('the transcript of', () => {
  for (const [name, { success, failure }] of Object.entries(transcripts))
    it(`unmask ${name}`, async () => {
      const [done, failed] = [await run(success), await run(failure)];
      assert.equal(done.code, 0, done.text);
      assert.ok(failed.code === 1 || failed.code === 2, failed.text);
      await assertGolden(`cli/${name}.txt`, [await help(name), done.text, failed.text].join('\n'));
      if (name === 'discover') await copyFunctions();
    });

  it('unmask serve', async () => {
    const { code, text } = await sessionOf();
    assert.equal(code, 0, text);
    const failed = await run({ args: ['serve', 'unmask-code'] });
    assert.equal(failed.code, 2, failed.text);
    await assertGolden('cli/serve.txt', [await help('serve'), maskPositions(text, home), failed.text].join('\n'));
  });

  it('unmask worker, and unmask workers', async (test) => {
    const program = await findRedis();
    if (typeof program === 'string') return test.skip(program);
    const redis = await RedisServer.start(program);
    const stop = new AbortController();
    try {
      const mask = [
        [new RegExp(redis.url, 'g'), 'redis://127.0.0.1:6379'],
        [/last seen \S+/, 'last seen TIME'],
      ] as const;
      const list = () => run({ args: ['workers', 'list', '--queue', redis.url], mask });
      const args = ['worker', '--queue', redis.url, '--name', 'w', '--engine', 'onnx', '--device', 'cpu'];
      const worker = unmask(args, { signal: stop.signal });
      let listed = await list();
      for (let tries = 0; tries < 600 && !listed.text.includes('last seen'); tries++) {
        await delay(100);
        listed = await list();
      }
      stop.abort();
      const ended = transcript(args, await worker).replaceAll(redis.url, 'redis://127.0.0.1:6379');
      const [noQueue, wrong] = [
        await run({ args: ['worker', '--queue', 'redis://:secret@127.0.0.1'] }),
        await run({ args: ['workers', 'list', '--queue', 'redis://gpu.example'] }),
      ];
      assert.deepEqual([listed.code, noQueue.code, wrong.code], [0, 2, 2]);
      await assertGolden('cli/worker.txt', [await help('worker'), ended, noQueue.text].join('\n'));
      await assertGolden('cli/workers.txt', [await help('workers'), listed.text, wrong.text].join('\n'));
    } finally {
      stop.abort();
      await redis.close();
    }
  });

  it('every subcommand is recorded', async () => {
    const { stdout } = await unmask(['--help']);
    const commands = [...stdout.matchAll(/^ {2}([a-z-]+) \[/gm)]
      .map(([, name]) => name)
      .filter((name) => name !== 'help');
    // test/cli/start.test.ts, which has a run of it, records `start`.
    const recorded = [...Object.keys(transcripts), 'serve', 'start', 'worker', 'workers'];
    assert.deepEqual(commands.sort(), recorded.sort());
    const files = await readdir(path.join(import.meta.dirname, 'cli'));
    const foreign = files.filter((file) => !recorded.includes(file.replace(/\.txt$/, '')));
    assert.deepEqual(foreign, [], 'every transcript belongs to a subcommand');
    await assertGolden('help.txt', transcript(['--help'], { code: 0, stdout, stderr: '' }));
  });
});

/** What `discover` found, under a name that `dry-run` can be given. */
async function copyFunctions(): Promise<void> {
  const [run] = await readdir('runs');
  await copyFile(path.join('runs', run as string, 'tasks.jsonl'), 'functions.jsonl');
}
