import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createRunDirectory } from '../../src/runs/directory.ts';
import { newRun } from '../runs/example.ts';
import { enterHome, unmask } from './unmask.ts';

const sequence = '\x1b[2J\x1b[31m';
const backwards = '\u202egnp';

/** What a terminal obeys, except line breaks. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be left
const obeyed = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

describe('text from outside on the terminal', () => {
  let session: Awaited<ReturnType<typeof enterHome>>;
  before(async () => {
    session = await enterHome();
  });
  after(() => session.leave());

  async function shown(...args: string[]) {
    const ended = await unmask(args);
    for (const text of [ended.stdout, ended.stderr]) assert.doesNotMatch(text, obeyed, args.join(' '));
    return ended;
  }

  it('in an error is one line with visible escapes', async () => {
    const { code, stderr } = await shown('runs', 'pause', `x${sequence}\nunmask: forged ${backwards}`);
    assert.equal(code, 1);
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
    assert.ok(stderr.includes('x\\u001b[2J\\u001b[31m\\nunmask: forged \\u202egnp'), stderr);
    for (const args of [[`${sequence}nosuch`], ['tune', `--${backwards}`], ['eval', '--task', `t${sequence}`]])
      assert.notEqual((await shown(...args)).code, 0);
  });

  it('in names of runs and in cards of models is escaped, in JSON as well', async () => {
    const runs = path.join(session.home, 'runs');
    const dir = await createRunDirectory(runs, newRun);
    const forged = path.join(runs, `20260101${sequence}\nforged ${backwards}`);
    await mkdir(forged);
    await writeFile(path.join(forged, 'run.json'), await readFile(path.join(dir, 'run.json')));
    const listed = await shown('runs', 'list');
    assert.equal(listed.stdout.trimEnd().split('\n').length, 2, 'one line per run');
    const json = await shown('runs', 'list', '--json');
    assert.ok(JSON.parse(json.stdout).runs.some((run: { dir: string }) => run.dir === forged));

    const model = path.join(session.home, 'models', 'hostile');
    await mkdir(model, { recursive: true });
    await writeFile(path.join(model, 'config.json'), '{}');
    await writeFile(path.join(model, 'README.md'), `# Title ${sequence}${backwards}\n\nSecond line\rforged\n`);
    const card = await shown('models', 'card', 'hostile');
    assert.equal(card.stdout, '# Title [2J[31mgnp\n\nSecond lineforged\n');
    await shown('models');
  });
});
