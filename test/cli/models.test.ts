import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { readSafetensors, writeSafetensors } from '../../src/model/safetensors.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { FakeHub, type FakeRepository, token } from '../catalogue/fake-hub.ts';
import { changed, tinyRepository } from '../catalogue/repository.ts';
import { writeTinyCheckpoint } from '../model/tiny-model.ts';
import { newRun } from '../runs/example.ts';
import { assertRefused, bundle, document, enterHome, refusal, spawnUnmask, unmask } from './unmask.ts';

const id = 'tiny-org/tiny-model';
const weights = 'model.safetensors';

describe('unmask models', { timeout: 240_000 }, () => {
  let tiny: FakeRepository;
  let hub: FakeHub;
  let home: string;
  let leave: () => Promise<void>;
  before(async () => {
    tiny = await tinyRepository(id);
    hub = await FakeHub.start();
    process.env.HF_ENDPOINT = hub.endpoint;
  });
  after(async () => {
    delete process.env.HF_ENDPOINT;
    await hub.stop();
  });
  beforeEach(async () => {
    ({ home, leave } = await enterHome());
    hub.repositories.splice(0, Number.POSITIVE_INFINITY, tiny);
    hub.troubles.length = 0;
    hub.seen.length = 0;
  });
  afterEach(() => leave());

  const installedNames = async () =>
    ((await document(['models'])).models as { name: string; kind: string }[])
      .filter(({ kind }) => kind === 'installed')
      .map(({ name }) => name);

  it('without an action lists the models with their details', async () => {
    const { models } = await document(['models']);
    assert.deepEqual(await document(['models', 'list']), { models });
    const bundled = models.find(({ name }: { name: string }) => name === 'unmask-code');
    assert.deepEqual(
      [bundled.kind, bundled.licence, bundled.revision, bundled.problem],
      ['bundled', 'mit', null, null],
    );
    assert.equal(bundled.completes, true);
    assert.ok(bundled.memory.needed > 4 * bundled.parameters && bundled.memory.available > bundled.memory.needed);
    const { stdout } = await unmask(['models']);
    assert.match(
      stdout,
      /^unmask-code +bundled +5\.3 million parameters, 21 MB, mit, needs about \d+ MiB \([\d.]+ GiB available\)$/m,
    );
  });

  it('add installs a model from the hub, card shows its card, and remove removes it', async () => {
    const { model } = await document(['models', 'add', id]);
    assert.deepEqual(
      [model.name, model.kind, model.licence, model.revision, model.problem],
      [id, 'installed', 'apache-2.0', tiny.commit, null],
    );
    const cpu = ['--engine', 'onnx', '--device', 'cpu'];
    assert.equal((await document(['logits', '--model', id, '--tokens', '4,5', ...cpu])).logits.length, 2);
    const { card, licence } = await document(['models', 'card', id]);
    assert.match(card, /^---\nlicense: apache-2\.0\n[\s\S]*# A tiny model\n/);
    assert.equal(licence, 'apache-2.0');
    assert.match(
      await refusal(['models', 'remove', id], 2),
      /Remove tiny-org\/tiny-model \(.*\)\? Nothing was removed; confirm with --yes/,
    );
    assert.equal((await document(['models', 'remove', id, '--yes'])).removed, id);
    assert.deepEqual(await readdir(path.join(home, 'models')), []);
    assert.match(await refusal(['models', 'remove', id, '--yes'], 1), /no installed model tiny-org\/tiny-model/);
  });

  it('add reports what it is about to download, and its progress', async () => {
    const { code, stderr, stdout } = await unmask(['models', 'add', `${id}@${tiny.commit}`]);
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /^tiny-org\/tiny-model at a{12}: 1\.9 MB, licence apache-2\.0, 0\.5 million parameters, needs about \d+ MiB \(.* GiB available\)$/m,
    );
    assert.match(stderr, /^100 % of 1\.9 MB: \S+$/m);
    assert.match(stdout, /tiny-org\/tiny-model is installed in .*\. Use it with --model tiny-org\/tiny-model/);
  });

  it('add --dry-run only reports, also for a model that cannot be loaded', async () => {
    const { model } = await document(['models', 'add', id, '--dry-run']);
    assert.deepEqual(Object.keys(model).sort(), [
      'bytes',
      'gated',
      'installed',
      'licence',
      'memory',
      'name',
      'parameters',
      'problem',
      'revision',
    ]);
    hub.repositories[0] = changed(tiny, { name: 'config.json', content: Buffer.from('{"model_type":"gpt2"}') });
    const other = await document(['models', 'add', id, '--dry-run']);
    assert.match(other.model.problem, /gpt2/);
    assert.deepEqual([model.installed, await readdir(home)], [null, []]);
    assert.match(await refusal(['models', 'add', id], 1), /gpt2.*--force/);
    hub.repositories[0] = tiny;
    await document(['models', 'add', id]);
    assert.equal((await document(['models', 'add', id, '--dry-run'])).model.installed, tiny.commit);
  });

  it('add opens a model first; with --force it adds a broken one and names the error', async () => {
    const folder = await writeTinyCheckpoint(path.join(home, 'broken'));
    const file = path.join(folder, 'model.safetensors');
    const tensors = await readSafetensors(file);
    tensors.get('model.norm.weight')!.data[0] = Number.NaN;
    await writeSafetensors(file, tensors);
    const why = /model\.norm\.weight holds values that are not finite/;
    const refused = await refusal(['models', 'add', './broken'], 1);
    assert.match(refused, why);
    assert.match(refused, /nothing was added\. Use --force/);
    assert.match((await document(['models', 'add', './broken', '--force'])).trial.problem, why);
    const { stdout } = await unmask(['models', 'add', './broken', '--name', 'forced', '--force']);
    assert.match(stdout, /^It was added because of --force, but it cannot be used: .* not finite/m);
    for (const name of ['broken', 'forced']) await document(['models', 'remove', name, '--yes']);
  });

  it('add copies a folder, under its own name or another', async () => {
    const folder = await writeTinyCheckpoint(path.join(home, 'mine'));
    await writeFile(path.join(folder, 'modeling.py'), 'print()');
    const { model, trial } = await document(['models', 'add', './mine']);
    assert.deepEqual([model.name, model.kind, model.revision], ['mine', 'installed', null]);
    assert.deepEqual(trial, { layers: 1, of: 1, warnings: [], problem: null });
    assert.ok(!existsSync(path.join(model.folder, 'modeling.py')));
    assert.match(await refusal(['models', 'add', folder], 1), /There is a model mine already; choose another name/);
    await document(['models', 'add', 'mine', '--name', 'other']);
    assert.deepEqual(await installedNames(), ['mine', 'other']);
    assert.match(await refusal(['models', 'add', folder, '--name', 'unmask-code'], 1), /comes with Unmask/);
    assert.match(await refusal(['models', 'add', folder, '--name', '../x'], 2), /cannot name a model/);
    assert.match(
      await refusal(['models', 'add', folder, '--dry-run'], 2),
      /--dry-run works with models on the hub only/,
    );
    assert.match(
      await refusal(['models', 'add', folder, '--name', 'mine/inner'], 1),
      /mine\/inner would be inside the folder of the model mine;/,
    );
    await writeFile(
      path.join(folder, 'model.safetensors.index.json'),
      JSON.stringify({ weight_map: { x: 'model-00001-of-00002.safetensors' } }),
    );
    const { model: owned } = await document(['models', 'add', folder, '--name', 'owner/whole']);
    assert.deepEqual(
      (await readdir(owned.folder)).filter((name) => name.includes('safetensors')),
      [weights],
    );
    await document(['models', 'remove', 'owner/whole', '--yes']);
    await mkdir('empty');
    assert.match(await refusal(['models', 'add', './empty'], 1), /empty has no config\.json/);
    await writeFile(path.join('empty', 'config.json'), '{"model_type":"gpt2"}');
    assert.match(await refusal(['models', 'add', './empty'], 1), /empty has no weights as safetensors/);
    assert.deepEqual(await readdir(path.join(home, 'models')), ['mine', 'other']);
  });

  for (const bad of [
    '../x/y',
    '/abs/olute',
    './nothing',
    '',
    'one',
    'a/b//c',
    'a/../b',
    '-x/y',
    'con/y',
    'x/nul.txt',
    'x/y.',
    'x/y@',
    'x/y@../z',
    'x/y@-',
    'a b/c',
    'x/y@1@2',
    'x\\y',
    'C:x',
  ])
    it(`add rejects ${JSON.stringify(bad)}`, async () => {
      const { code, stdout } = await unmask(['models', 'add', '--json', '--', bad]);
      assert.ok(code === 1 || code === 2, stdout);
      assert.match(JSON.parse(stdout).error.message, /is not a model id|is not a revision|is not a folder/);
      assert.deepEqual([hub.seen, await readdir(home)], [[], []]);
    });

  it('remove rejects models that are not installed or in use', async () => {
    assert.match(await refusal(['models', 'remove', 'unmask-code', '--yes'], 1), /comes with Unmask; only installed/);
    const run = await RunWriter.create(path.join(home, 'runs'), { ...newRun, model: 'mine' });
    await run.checkpoint(1, async (dir) => void (await writeTinyCheckpoint(dir)));
    assert.match(await refusal(['models', 'remove', run.dir, '--yes'], 1), /is a run.*unmask runs delete/);
    assert.match(
      await refusal(['models', 'remove', path.basename(run.dir), '--yes'], 1),
      /is a run.*unmask runs delete/,
    );
    await writeTinyCheckpoint(path.join(home, 'models', 'mine'));
    assert.match(await refusal(['models', 'remove', 'mine', '--yes'], 1), /mine is in use by .*runs/);
    await run.close('finished');
    await document(['models', 'remove', 'mine', '--yes']);
    for (const outside of ['../runs', '.', '..', '', home, '.adding'])
      assert.match(await refusal(['models', 'remove', outside, '--yes'], 1), /There is no installed model/);
    assert.ok(existsSync(run.dir));
  });

  it('keep copies the best checkpoint of a run, which can then be deleted', async () => {
    const run = await RunWriter.create(path.join(home, 'runs'), { ...newRun, model: 'mine' });
    await run.checkpoint(1, async (dir) => void (await writeTinyCheckpoint(dir)));
    assert.match(await refusal(['models', 'keep', run.dir, '--name', 'tuned'], 1), /The run is still active/);
    await run.close('finished');
    assert.match(await refusal(['models', 'keep', run.dir], 2), /needs a run and --name/);
    const { model } = await document(['models', 'keep', path.basename(run.dir), '--name', 'tuned']);
    assert.deepEqual([model.name, model.kind, model.problem], ['tuned', 'installed', null]);
    await document(['runs', 'delete', run.dir]);
    assert.deepEqual(await installedNames(), ['tuned']);
    assert.match((await document(['models', 'card', 'tuned'])).card, /^# tuned$/m);
  });

  it('rejects unknown actions', async () => {
    assert.match(
      await refusal(['models', 'burn'], 2),
      /Unknown action burn; the actions are list, add, keep, remove, card/,
    );
    for (const action of ['add', 'remove', 'card']) assert.match(await refusal(['models', action], 2), /needs a model/);
    assert.match(await refusal(['models', 'card', 'nosuch'], 1), /There is no model nosuch/);
    assert.match(await refusal(['models', 'add', id, '--name', 'x'], 2), /--name is for folders/);
  });

  it('card removes terminal control sequences', async () => {
    const folder = await writeTinyCheckpoint(path.join(home, 'models', 'loud'));
    await writeFile(
      path.join(folder, 'README.md'),
      '---\nlicense: "a\\u001b[31mb"\n---\n# \u001b]0;title\u0007Loud\r\n\u009b2J',
    );
    const { stdout } = await unmask(['models', 'card', 'loud']);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
    assert.doesNotMatch(stdout, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    await writeFile(path.join(folder, 'chat_template.jinja'), 'new');
    const configuration = path.join(folder, 'tokenizer_config.json');
    const config = JSON.parse(await readFile(configuration, 'utf8'));
    await writeFile(configuration, JSON.stringify({ ...config, chat_template: 'old' }));
    assert.match(
      (await unmask(['models', 'card', 'loud'])).stdout,
      /\nChat template: chat_template\.jinja; the different one in tokenizer_config\.json is not used\.\n$/,
    );
    assert.equal((await document(['models', 'card', 'loud'])).chat_template, 'chat_template.jinja');
    const { models } = await document(['models']);
    assert.equal(models.find(({ name }: { name: string }) => name === 'loud').licence, 'a[31mb');
  });

  for (const [signal, what] of [
    ['SIGINT', 'stopped'],
    ['SIGKILL', 'killed'],
  ] as const)
    it(`an add that is ${what} resumes with the missing bytes the next time`, async () => {
      hub.troubles.push({ path: weights, host: 'storage', silentAfter: 700_000 });
      let end: (signal: NodeJS.Signals) => void = () => {};
      const running = spawnUnmask(['models', 'add', id, '--json'], (_, kill) => {
        end = kill;
      });
      await hub.asked(weights);
      await delay(200);
      end(signal);
      const ended = await running;
      if (signal === 'SIGINT')
        assert.match(assertRefused(ended, 130, ['models', 'add']), /The downloaded part is kept/);
      assert.deepEqual(await installedNames(), []);
      const again = await spawnUnmask(['models', 'add', id, '--json']);
      assert.equal(again.code, 0, again.stderr);
      assert.match(hub.rangesOf(weights).at(-1) ?? '', /^bytes=[1-9]\d{4,}-$/);
      assert.deepEqual(await installedNames(), [id]);
    });

  it('add reads a token from stdin, and never prints it', async () => {
    hub.repositories[0] = { ...tiny, gated: true };
    assert.match(await refusal(['models', 'add', id], 1), /is gated: accept its terms on .*HF_TOKEN/);
    const child = spawn(process.execPath, [bundle, 'models', 'add', id, '--token-stdin'], { stdio: 'pipe' });
    child.stdin.end(`${token}\n`);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    assert.equal(code, 0, stderr);
    assert.ok(!`${stdout}${stderr}`.includes(token));
    assert.deepEqual(await installedNames(), [id]);
  });
});
