import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
import { type AddHubGguf, addHubGguf } from '../../src/catalogue/add-hub-gguf.ts';
import { bundledFolder } from '../../src/catalogue/find-model.ts';
import { hubSettings } from '../../src/catalogue/hub-client.ts';
import { listModels } from '../../src/catalogue/list-models.ts';
import { readOrigin } from '../../src/catalogue/origin.ts';
import { publishedBases } from '../../src/catalogue/published-bases.ts';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { readAdapterConfig } from '../../src/model/adapter-folder.ts';
import { readCheckpoint } from '../../src/model/checkpoint.ts';
import { parseHubId } from '../../src/platform/model-name.ts';
import { enterHome, refusal } from '../cli/unmask.ts';
import { FakeHub, sha256 } from './fake-hub.ts';

const id = 'owner/model-GGUF';
const file = 'model.Q8_0.gguf';
const gguf = path.join(import.meta.dirname, '../model/references/gguf/llama.gguf');

describe('adding a GGUF file of the hub', { timeout: 60_000 }, () => {
  let content: Buffer;
  let home: string;
  let leave: () => Promise<void>;
  let hub: FakeHub;
  before(async () => {
    content = await readFile(gguf);
  });
  beforeEach(async () => {
    ({ home, leave } = await enterHome());
    hub = await FakeHub.start();
    const files = [
      { name: file, content, large: true },
      { name: 'README.md', content: Buffer.from('# A model') },
    ];
    hub.repositories.push({ id, commit: 'b'.repeat(40), licence: 'mit', files });
  });
  afterEach(async () => {
    await hub.stop();
    await leave();
  });
  const { signal } = new AbortController();
  const add = (changes: Partial<AddHubGguf> = {}) =>
    addHubGguf({
      hubId: parseHubId(id),
      ...{ file, sha256: sha256(content), name: 'small', progress: () => undefined },
      hub: { ...hubSettings({ HF_ENDPOINT: hub.endpoint }, signal, null), firstWait: 5, patience: 400 },
      ...changes,
    });

  it('downloads this file alone, converts it, and keeps no copy of it', async () => {
    const folder = await add();
    assert.equal(folder, path.join(home, 'models', 'small'));
    assert.ok((await readCheckpoint(await resolveModel('small'))).weights.size > 0);
    assert.deepEqual(await readdir(path.join(home, 'models')), ['small']);
    assert.equal(hub.requestsFor('README.md').length, 0);
    const origin = await readOrigin(folder);
    assert.ok(origin?.source === 'gguf');
    assert.equal(origin.file, `${id}/${file}@${'b'.repeat(40)}`);
    assert.equal(origin.sha256, sha256(content));
    await assert.rejects(add(), /small/, 'a model of that name is there');
  });

  it('continues an interrupted download', async () => {
    for (let times = 0; times < 8; times++) hub.troubles.push({ path: file, host: 'storage', cutAfter: 0 });
    hub.troubles.unshift({ path: file, host: 'storage', cutAfter: 3000 });
    await assert.rejects(add());
    assert.deepEqual(
      (await listModels()).filter(({ kind }) => kind === 'installed'),
      [],
    );
    hub.troubles.length = 0;
    await add();
    assert.equal(hub.requestsFor(file).at(-1)?.range, 'bytes=3000-');
  });

  it('is refused if the file is not the expected one, or is not there', async () => {
    await assert.rejects(add({ sha256: 'c'.repeat(64) }), /has changed on the hub, and the bundled adapter/);
    await assert.rejects(add({ file: 'other.gguf' }), /There is no other\.gguf .*its GGUF files are model\.Q8_0\.gguf/);
    assert.equal(hub.requestsFor(file).length, 0, 'nothing was downloaded');
  });
});

describe('a bundled adapter without its base', () => {
  it('names a published base, says how to add it, and is listed with it', async () => {
    const { leave } = await enterHome();
    try {
      for (const base of publishedBases) {
        const { base: named } = await readAdapterConfig(path.join(bundledFolder(), base.adapter));
        assert.equal(named.name, base.name);
        const { name, bytes, licence } = base;
        const listed = (await listModels()).find((model) => model.name === base.adapter);
        assert.deepEqual(listed?.missing_base, { name, bytes, licence });
        const hint = new RegExp(
          `needs its base, ${name} \\(.* MB, licence .*\\); add it with .unmask models add ${name}.`,
        );
        assert.match(listed?.problem ?? '', hint);
        await assert.rejects(resolveModel(base.adapter), hint);
        assert.match(await refusal(['models', 'add', base.adapter, '--name', 'x'], 2), /--name and --force/);
      }
    } finally {
      await leave();
    }
  });
});
