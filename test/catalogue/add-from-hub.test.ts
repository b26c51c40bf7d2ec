import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
import { HUB_URL } from '@huggingface/hub';
import { type AddFromHub, addFromHub } from '../../src/catalogue/add-from-hub.ts';
import { hubSettings } from '../../src/catalogue/hub-client.ts';
import { listModels } from '../../src/catalogue/list-models.ts';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { readCheckpoint } from '../../src/model/checkpoint.ts';
import { parseHubId } from '../../src/platform/model-name.ts';
import { enterHome } from '../cli/unmask.ts';
import { FakeHub, type FakeRepository, sha256, token } from './fake-hub.ts';
import { changed, fileOf, tinyAdapter, tinyRepository } from './repository.ts';

const id = 'tiny-org/tiny-model';
const weights = 'model.safetensors';

describe('adding a model from the hub', { timeout: 60_000 }, () => {
  let tiny: FakeRepository;
  let weightBytes: number;
  let home: string;
  let leave: () => Promise<void>;
  let hub: FakeHub;
  let endpoint: string;
  let lines: string[];
  before(async () => {
    tiny = await tinyRepository(id);
    weightBytes = fileOf(tiny, weights).content.length;
    assert.ok(weightBytes > 1_000_000);
  });
  beforeEach(async () => {
    ({ home, leave } = await enterHome());
    hub = await FakeHub.start();
    endpoint = hub.endpoint;
    hub.repositories.push(tiny);
    lines = [];
  });
  afterEach(async () => {
    await hub.stop();
    await leave();
  });

  const add = (what: string, changes: Partial<AddFromHub> = {}, given: string | null = null, signal = never()) =>
    addFromHub({
      hubId: parseHubId(what),
      hub: { ...hubSettings({ HF_ENDPOINT: endpoint }, signal, given), firstWait: 5, patience: 400 },
      force: false,
      replace: false,
      progress: (line) => lines.push(line),
      ...changes,
    });
  const assertRejected = (adding: Promise<unknown>, message: RegExp, name = 'UserError') =>
    assert.rejects(adding, (error: Error) => {
      assert.equal(error.name, name, error.stack);
      assert.match(error.message, message);
      return true;
    });
  const modelNames = async () =>
    (await listModels()).filter(({ kind }) => kind === 'installed').map(({ name }) => name);
  const parts = () => readdir(path.join(home, 'models', '.adding', id.replace('/', '@'), 'parts'));

  it('downloads and verifies the files that a model needs, and nothing executable', async () => {
    hub.pageSize = 2;
    const folder = await add(id);
    assert.equal(folder, path.join(home, 'models', ...id.split('/')));
    assert.deepEqual((await readdir(folder)).sort(), [
      'README.md',
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'origin.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    assert.equal(sha256(await readFile(path.join(folder, weights))), sha256(fileOf(tiny, weights).content));
    assert.ok((await readCheckpoint(await resolveModel(folder))).weights.size > 0);
    const [model] = (await listModels()).filter(({ name }) => name === id);
    assert.deepEqual(
      [model?.kind, model?.licence, model?.revision, model?.description, model?.problem],
      ['installed', 'apache-2.0', tiny.commit, 'A tiny model', null],
    );
    assert.equal(model?.bytes, weightBytes);
    // No partial download remains.
    assert.deepEqual(await readdir(path.join(home, 'models')), ['tiny-org']);
    assert.match(lines.at(-1) ?? '', /^100 % of 1\.9 MB.*: \S+$/);
    assert.equal(hub.requestsFor('pytorch_model.bin').length + hub.requestsFor('modeling_tiny.py').length, 0);
    assert.ok(
      hub.seen.every(({ path: asked }) => !asked.includes('/resolve/main/')),
      'the files of the commit are read',
    );
  });

  it('downloads sharded weights as their index names them', async () => {
    const { content } = fileOf(tiny, weights);
    const shards = [content.subarray(0, 1000), content.subarray(1000)];
    const weight_map = { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' };
    const files = [
      ...tiny.files.filter(({ name }) => name !== weights),
      { name: 'model.safetensors.index.json', content: Buffer.from(JSON.stringify({ weight_map })) },
      ...Object.values(weight_map).map((name, index) => ({ name, content: shards[index]!, large: true })),
      { name: 'consolidated.safetensors', content, large: true },
    ];
    hub.repositories.push({ ...tiny, commit: 'b'.repeat(40), files });
    const folder = await add(id);
    const found = (await readdir(folder)).filter((name) => name.includes('safetensors'));
    assert.deepEqual(found.sort(), [...Object.values(weight_map), 'model.safetensors.index.json'].sort());
  });

  it('prefers a single weights file to an index next to it, as when a folder is read', async () => {
    const weight_map = { a: 'model-00001-of-00002.safetensors' };
    const index = { name: 'model.safetensors.index.json', content: Buffer.from(JSON.stringify({ weight_map })) };
    hub.repositories.push(changed({ ...tiny, commit: 'b'.repeat(40) }, index));
    const folder = await add(id);
    const found = (await readdir(folder)).filter((name) => name.includes('safetensors'));
    assert.deepEqual(found, [weights]);
  });

  it('continues after a lost connection within a run', async () => {
    hub.troubles.push({ path: weights, host: 'storage', cutAfter: 700_000 });
    await add(id);
    const [whole, rest, ...more] = hub.rangesOf(weights);
    assert.deepEqual([whole, more], [null, []]);
    assert.match(rest ?? '', /^bytes=[1-9]\d{4,}-$/);
  });

  it('resumes an interrupted download in the next run, and requests only the missing bytes', async () => {
    for (let times = 0; times < 5; times++) hub.troubles.push({ path: weights, host: 'storage', cutAfter: 0 });
    hub.troubles.unshift({ path: weights, host: 'storage', cutAfter: 900_000 });
    await assertRejected(add(id), /The connection was lost|ended in the middle|cannot be reached/, 'UserError');
    assert.deepEqual(await modelNames(), []);
    assert.deepEqual(await parts(), [sha256(fileOf(tiny, weights).content)]);
    hub.troubles.length = 0;
    hub.seen.length = 0;
    await add(id);
    const [rest, ...more] = hub.rangesOf(weights);
    assert.match(rest ?? '', /^bytes=[1-9]\d{4,}-$/);
    assert.deepEqual(more, []);
    // Complete files are not fetched again, except the configuration, which is checked first.
    assert.equal(hub.requestsFor('tokenizer.json').length, 0);
    assert.deepEqual(await modelNames(), [id]);
    assert.match(lines.join('\n'), /are downloaded already; downloading the rest/);
  });

  it('treats a silent connection as lost', async () => {
    hub.troubles.push({ path: weights, host: 'storage', silentAfter: 300_000 });
    await add(id);
    assert.match(hub.rangesOf(weights).at(-1) ?? '', /^bytes=[1-9]\d*-$/);
  });

  it('restarts a file if the host does not support ranges, or returns another one than requested', async () => {
    hub.troubles.push(
      { path: weights, host: 'storage', cutAfter: 500_000 },
      { path: weights, host: 'storage', status: 206, headers: { 'content-range': 'bytes 5-20/21' } },
      { path: weights, host: 'storage', cutAfter: 600_000 },
      { path: weights, host: 'storage', ignoreRange: true },
    );
    const folder = await add(id);
    assert.equal(sha256(await readFile(path.join(folder, weights))), sha256(fileOf(tiny, weights).content));
    assert.deepEqual(hub.troubles, []);
  });

  it('discards corrupted downloads and reports them', async () => {
    const lie = { ...fileOf(tiny, weights), listed: { hash: 'c'.repeat(64) } };
    hub.repositories.push(changed({ ...tiny, commit: 'b'.repeat(40) }, lie));
    await assertRejected(add(id), /model\.safetensors arrived damaged \(its sha256 differs from the one .* deleted/);
    assert.deepEqual(await parts(), []);
    assert.deepEqual(await modelNames(), []);
  });

  it('rejects a configuration file that differs from the listing', async () => {
    const config = fileOf(tiny, 'config.json');
    const wrong = { ...config, large: true, listed: { hash: 'c'.repeat(64) } };
    hub.repositories.push(changed({ ...tiny, commit: 'b'.repeat(40) }, wrong));
    await assertRejected(add(id), /config\.json of tiny-org\/tiny-model arrived damaged/);
  });

  it('rejects a file with another size than listed', async () => {
    const lie = { ...fileOf(tiny, weights), listed: { size: 1000 } };
    hub.repositories.push(changed({ ...tiny, commit: 'b'.repeat(40) }, lie));
    await assertRejected(add(id), /lists model\.safetensors .* with 1000 bytes but delivers 19/);
  });

  it('skips names that lead out of the folder, and rejects weights with such names in an index', async () => {
    const outside = ['../../outside.json', '/tmp/outside.json', '..\\outside.json', 'sub/config.json', 'C:evil.json'];
    const files = outside.map((name) => ({ name, content: Buffer.from('{}') }));
    hub.repositories.push(changed({ ...tiny, commit: 'b'.repeat(40) }, ...files));
    const folder = await add(id);
    assert.equal((await readdir(folder)).length, 7);
    assert.deepEqual((await readdir(home)).sort(), ['models']);
    for (const name of [
      '../../x.safetensors',
      '/etc/x.safetensors',
      'sub/x.safetensors',
      'weights.bin',
      'nul.safetensors',
    ]) {
      const index = {
        name: 'model.safetensors.index.json',
        content: Buffer.from(JSON.stringify({ weight_map: { a: name } })),
      };
      const sharded = tiny.files.filter((file) => file.name !== weights);
      hub.repositories.push(changed({ ...tiny, id: 'tiny-org/evil', files: sharded }, index));
      await assertRejected(add('tiny-org/evil'), /names ".*", but it must name safetensors files in the same folder/);
      hub.repositories.pop();
    }
  });

  it('reports before the download that the disk is too small', async () => {
    await assertRejected(add(id, { freeSpace: async () => 1e6 }), /has 1\.0 MB free, but 66 MB are needed/);
    assert.equal(hub.requestsFor(weights).length, 0);
  });

  it('reports a full disk and keeps the downloaded bytes', {
    skip: process.platform !== 'linux',
  }, async () => {
    const place = path.join(home, 'models', '.adding', id.replace('/', '@'), 'parts');
    await mkdir(place, { recursive: true });
    // A device whose writes fail as on a full disk.
    await symlink('/dev/full', path.join(place, sha256(fileOf(tiny, weights).content)));
    await assertRejected(add(id), /^The disk of .* is full; free some space and try again/);
    assert.deepEqual(await modelNames(), []);
  });

  it('stops when its signal is aborted, and resumes the next time', async () => {
    const stop = new AbortController();
    hub.troubles.push({ path: weights, host: 'storage', silentAfter: 400_000 });
    const stopped = add(id, {}, null, stop.signal);
    void hub.asked(weights).then(() => setTimeout(() => stop.abort(), 100));
    await assertRejected(
      stopped,
      /Adding tiny-org\/tiny-model was stopped\. The downloaded part is kept/,
      'Interrupted',
    );
    assert.equal((await parts()).length, 1);
    await add(id);
    assert.match(hub.rangesOf(weights).at(-1) ?? '', /^bytes=[1-9]\d*-$/);
  });

  it('works offline for files of an installed revision, and reports when it needs the network', async () => {
    await add(id);
    await hub.stop();
    const offline = { hub: hubSettings({ HF_ENDPOINT: endpoint }, never()) };
    for (const what of [id, `${id}@${tiny.commit}`, `${id}@${tiny.commit.slice(0, 8)}`]) await add(what, offline);
    assert.match(lines.at(-1) ?? '', /is installed already, at a{40}/);
    await assertRejected(
      add(`${id}@other`, offline),
      /127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\); check the network/,
    );
    await assertRejected(add('tiny-org/another', offline), /cannot be reached/);
  });

  it('keeps an installed revision until it is replaced on request, and then downloads only changed files', async () => {
    await add(id);
    const next = changed({ ...tiny, commit: 'b'.repeat(40) }, { name: 'README.md', content: Buffer.from('# Newer\n') });
    hub.repositories.push(next);
    await assertRejected(add(id), /is installed at aaaaaaaaaaaa, but main is bbbbbbbbbbbb on the hub; use --replace/);
    hub.seen.length = 0;
    // Files that were changed on the disk are not reused.
    await writeFile(path.join(home, 'models', id, 'tokenizer.json'), '{}');
    await add(id, { replace: true });
    assert.deepEqual(
      ['model.safetensors', 'tokenizer.json', 'README.md'].map((name) => hub.requestsFor(name).length > 0),
      [false, true, true],
    );
    await readCheckpoint(await resolveModel(path.join(home, 'models', id)));
    const [model] = (await listModels()).filter(({ name }) => name === id);
    assert.deepEqual([model?.revision, model?.description], [next.commit, 'Newer']);
    assert.deepEqual(await readdir(path.join(home, 'models')), ['tiny-org']);
  });

  it('downloads a damaged file again if it is to be replaced', async () => {
    const folder = await add(id);
    const file = path.join(folder, weights);
    const whole = await readFile(file);
    await writeFile(file, whole.subarray(0, whole.length - 1_000));
    await assertRejected(
      resolveModel(folder).then(readCheckpoint),
      /is not a whole safetensors file .*; copy or download it again/,
    );
    hub.seen.length = 0;
    await add(id, { replace: true });
    assert.deepEqual(await readFile(file), whole);
    assert.equal(hub.requestsFor('README.md').length, 0, 'only damaged files are downloaded');
    hub.seen.length = 0;
    await add(id, { replace: true });
    assert.equal(hub.requestsFor(weights).length, 0, 'nothing is downloaded if every file is whole');
  });

  it('does not replace a model from another source', async () => {
    const folder = path.join(home, 'models', id);
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'config.json'), '{}');
    await assertRejected(add(id), /A model named tiny-org\/tiny-model that is not from the hub exists already/);
    await writeFile(path.join(home, 'models', 'tiny-org', 'config.json'), '{}');
    await assertRejected(add(id), /tiny-org\/tiny-model would be inside the folder of the model tiny-org;/);
  });

  describe('a gated model', () => {
    beforeEach(() => {
      hub.repositories[0] = { ...tiny, gated: true };
    });

    it('reports how to accept its terms and set a token', async () => {
      await assertRejected(
        add(id),
        new RegExp(`gated: accept its terms on ${endpoint}/${id}, then set a token.*HF_TOKEN`),
      );
      await assertRejected(add(id, {}, 'hf_other'), /the account of the token has no access yet/);
    });

    it('sends the token to the hub, and not to a host that it redirects to', async () => {
      await add(id, {}, token);
      assert.ok(hub.seen.some(({ host }) => host === 'storage'));
      for (const { host, authorization } of hub.seen)
        assert.equal(authorization, host === 'hub' ? `Bearer ${token}` : null);
      const written = await readdir(path.join(home, 'models'), { recursive: true, withFileTypes: true });
      for (const file of written.filter((entry) => entry.isFile()))
        assert.ok(!(await readFile(path.join(file.parentPath, file.name))).includes(token), file.name);
      assert.ok(!lines.join('\n').includes(token));
    });
  });

  it('reports what does not exist', async () => {
    await assertRejected(
      add('tiny-org/nothing'),
      /The hub refuses access to tiny-org\/nothing without a token: check the id/,
    );
    await assertRejected(add('tiny-org/nothing', {}, token), /There is no model tiny-org\/nothing on http/);
    await assertRejected(add(`${id}@nosuch`), /has no revision nosuch/);
    hub.repositories.push({ ...tiny, id: 'tiny-org/empty', files: [] });
    await assertRejected(
      add('tiny-org/empty'),
      /has no config\.json and no adapter_config\.json, so it is not a model/,
    );
    const content = Buffer.from('{}');
    const inFolders = [{ name: 'README.md', content }, ...['gsm8k/', 'math/'].map((name) => ({ name, content }))];
    hub.repositories.push({ ...tiny, id: 'tiny-org/folders', files: inFolders });
    await assertRejected(
      add('tiny-org/folders'),
      /tiny-org\/folders holds no model, only the folders gsm8k, math; name one of them, as in `unmask models add tiny-org\/folders\/gsm8k`/,
    );
    await assertRejected(
      add('tiny-org/folders/science'),
      /The folder science of tiny-org\/folders has no config\.json/,
    );
    hub.repositories.push({
      ...tiny,
      id: 'tiny-org/pickled-adapter',
      files: [
        { name: 'adapter_config.json', content },
        { name: 'adapter_model.bin', content },
      ],
    });
    await assertRejected(add('tiny-org/pickled-adapter'), /adapter without weights as safetensors/);
    const pickled = { ...tiny, id: 'tiny-org/pickled', files: tiny.files.filter(({ name }) => name !== weights) };
    hub.repositories.push(pickled);
    await assertRejected(add('tiny-org/pickled'), /no weights as safetensors .*can contain programs/);
  });

  it('adds adapters from folders of a repository, next to each other, if their base is installed', async () => {
    const folder = 'gsm8k/egspo-sa';
    const files = await tinyAdapter(home, id);
    const inFolder = files.map(({ name, content }) => ({ name: `${folder}/${name}`, content, large: true }));
    hub.repositories.push({ ...tiny, id: 'tiny-org/adapters', files: inFolder });
    await assertRejected(
      add(`tiny-org/adapters/${folder}`),
      /adapter_config\.json of tiny-org\/adapters--gsm8k--egspo-sa is an adapter of tiny-org\/tiny-model, which is not installed; add that model first with `unmask models add tiny-org\/tiny-model`; nothing was added/,
    );
    await add(id);
    const added = await add(`tiny-org/adapters/${folder}`);
    assert.equal(added, path.join(home, 'models', 'tiny-org', 'adapters--gsm8k--egspo-sa'));
    assert.deepEqual((await readdir(added)).sort(), [
      'adapter_config.json',
      'adapter_model.safetensors',
      'origin.json',
    ]);
    assert.deepEqual(await modelNames(), ['tiny-org/adapters--gsm8k--egspo-sa', id]);
    const resolved = await resolveModel('tiny-org/adapters--gsm8k--egspo-sa');
    const { adapter } = await readCheckpoint(resolved);
    assert.ok(adapter && adapter.weights.size > 0);
    lines = [];
    await add(`tiny-org/adapters/${folder}`);
    assert.match(lines.join('\n'), /egspo-sa is installed already/);
  });

  it('retries after 429 and 5xx', async () => {
    hub.troubles.push(
      { path: '/revision/main', status: 429, headers: { 'retry-after': '0' } },
      { path: '/revision/main', status: 503 },
      { path: weights, host: 'storage', status: 500 },
      { path: 'tokenizer.json', status: 502 },
    );
    await add(id);
    assert.deepEqual(hub.troubles, []);
  });

  it('gives up after several attempts, or if it should wait too long', async () => {
    for (let times = 0; times < 10; times++) hub.troubles.push({ path: '/revision/main', status: 503 });
    await assertRejected(add(id), /failed to deliver tiny-org\/tiny-model: the hub answered 503/);
    assert.equal(hub.seen.length, 5);
    hub.troubles.length = 0;
    hub.troubles.push({ path: '/revision/main', status: 429, headers: { 'retry-after': '3600' } });
    await assertRejected(add(id), /asks to wait for 3600 s/);
  });

  it('rejects a model that the runtime cannot load before its weights are downloaded, unless forced', async () => {
    const config = { name: 'config.json', content: Buffer.from('{"model_type":"gpt2"}') };
    hub.repositories[0] = changed(tiny, config);
    await assertRejected(
      add(id),
      /config\.json of tiny-org\/tiny-model: model_type "gpt2" .*; nothing was added\. Use --force/,
    );
    assert.equal(hub.requestsFor(weights).length, 0);
    assert.deepEqual(await readdir(home), []);
    await add(id, { force: true });
    const [model] = (await listModels()).filter(({ name }) => name === id);
    assert.match(model?.problem ?? '', /gpt2/);
    assert.equal(model?.parameters, null);
  });

  it('does not follow redirects to other protocols, or redirect loops', async () => {
    hub.troubles.push({ path: '/revision/main', status: 302, headers: { location: 'file:///etc/passwd' } });
    await assertRejected(add(id), /redirects to file:.*which is not secure/);
    for (let times = 0; times < 20; times++)
      hub.troubles.push({
        path: '/revision/main',
        status: 302,
        headers: { location: `/api/models/${id}/revision/main` },
      });
    await assertRejected(add(id), /redirects more than 10 times/);
  });

  it('is done by one process at a time', async () => {
    hub.troubles.push({ path: weights, host: 'storage', silentAfter: 1000 });
    const first = add(id);
    await hub.asked(weights);
    await assertRejected(add(id), /^Process \d+ has been adding .* since/);
    await first;
    assert.deepEqual(await modelNames(), [id]);
  });
});

describe('the address of the hub', () => {
  it('comes from the environment, and no token is sent unencrypted', () => {
    const read = (environment: NodeJS.ProcessEnv, given?: string) => hubSettings(environment, never(), given);
    assert.equal(read({}).endpoint, HUB_URL);
    assert.equal(read({ HF_ENDPOINT: 'https://hub.example/' }).endpoint, 'https://hub.example');
    assert.equal(read({ HF_TOKEN: ' hf_a \n' }).token, 'hf_a');
    assert.equal(read({ HF_TOKEN: 'hf_a' }, 'hf_b').token, 'hf_b');
    for (const HF_ENDPOINT of ['nowhere', 'file:///x', 'https://me:secret@hub.example'])
      assert.throws(() => read({ HF_ENDPOINT }), { name: 'UsageError', message: /^HF_ENDPOINT is not an address/ });
    assert.throws(() => read({ HF_ENDPOINT: 'http://hub.example', HF_TOKEN: 'hf_a' }), /not encrypted/);
    assert.throws(
      () => read({ HF_TOKEN: 'hf_a b' }),
      (error: Error) => !error.message.includes('hf_a'),
    );
  });
});

const never = (): AbortSignal => new AbortController().signal;
