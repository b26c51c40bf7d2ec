import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Corpus, ListedPackage } from '../../src/training/code/corpus.ts';
import { listedPackages, permissive } from '../../src/training/code/corpus.ts';
import { unsuitablePython, withoutSecrets } from '../../src/training/code/source-filter.ts';
import { listedPythonPackages, readConversionCorpus } from '../../src/training/conversion/conversion-corpus.ts';
import { temporaryFolder } from './tiny-runs.ts';

const run = promisify(execFile);
const python = process.platform === 'win32' ? 'python' : 'python3';
const missingPython = await run(python, ['-m', 'zipfile', '-h']).then(
  () => false as const,
  () => 'there is no python3',
);

const source = (name: string, mail = '') =>
  [
    `"""Sums of ${name}.${mail}"""`,
    ...Array.from({ length: 12 }, (_, i) => `def ${name}_${i}(first, second):\n    return first + second * ${i}`),
  ].join('\n');

describe('the corpus of conversions', async () => {
  const folder = await temporaryFolder();
  after(() => rm(folder, { recursive: true, force: true }));
  const typescript = (name: string) => ({ package: name, path: 'a.ts', text: source(name) });
  const readNpm = async (): Promise<Corpus> => ({ training: [typescript('one')], validation: [typescript('two')] });
  const hooks = { progress: () => undefined };

  /** A wheel with a module, a test, and a copy of the module. */
  async function wheel(name: string, license: string): Promise<{ file: string; listed: ListedPackage }> {
    const content = path.join(folder, `content-${name}`);
    const info = `${name}-1.0.dist-info`;
    await mkdir(path.join(content, name, 'tests'), { recursive: true });
    await mkdir(path.join(content, info), { recursive: true });
    await writeFile(path.join(content, name, 'module.py'), source(name, ' Write to jane.doe@mail.example.org'));
    await writeFile(path.join(content, name, 'copy.py'), source(name, ' Write to jane.doe@mail.example.org'));
    await writeFile(path.join(content, name, 'tests', 'test_module.py'), source(`${name}_test`));
    await writeFile(path.join(content, info, 'METADATA'), `Name: ${name}\nLicense-Expression: ${license}\n\nText`);
    const file = path.join(folder, `${name}.zip`);
    await run(python, ['-m', 'zipfile', '-c', file, path.join(content, name), path.join(content, info)]);
    const sha256 = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    return { file, listed: { name, version: '1.0', license: 'MIT', part: 'training', sha256 } };
  }

  it('adds the sources of wheels, without tests, copies and addresses', { skip: missingPython }, async () => {
    const { file, listed } = await wheel('sums', 'MIT');
    const fetched: string[] = [];
    const fetchWheel = async (spec: string, to: string) => {
      fetched.push(spec);
      await copyFile(file, to);
    };
    const read = () =>
      readConversionCorpus(path.join(folder, 'sources'), hooks, { readNpm, python: [listed], fetchWheel });
    const { training, validation } = await read();
    assert.deepEqual(
      training.map(({ package: name, path: at }) => `${name} ${at}`),
      ['one a.ts', 'sums sums/copy.py'],
    );
    assert.match(training[1]!.text, /Write to user@example\.com/);
    assert.equal(validation.length, 1);
    await read();
    assert.deepEqual(fetched, ['sums==1.0'], 'fetched once');
  });

  it('refuses another archive or another licence', { skip: missingPython }, async () => {
    const { file, listed } = await wheel('other', 'GPL-3.0-only');
    const read = (changes: Partial<ListedPackage>, at: string) =>
      readConversionCorpus(path.join(folder, at), hooks, {
        readNpm,
        python: [{ ...listed, ...changes }],
        fetchWheel: (_, to) => copyFile(file, to),
      });
    await assert.rejects(read({}, 'a'), /other 1\.0 declares the licence "GPL-3\.0-only" but the list says MIT/);
    await assert.rejects(read({ sha256: 'f'.repeat(64) }, 'b'), /the list of other 1\.0 pins f+; delete the file/);
  });

  it('says when it is empty', async () => {
    const empty = { readNpm: async () => ({ training: [], validation: [] }), python: [], fetchWheel: async () => {} };
    await assert.rejects(readConversionCorpus(path.join(folder, 'c'), hooks, empty), /no suitable source files/);
  });

  it('lists packages with a version, a permissive licence and a digest, and holds some of each language out', () => {
    for (const list of [listedPackages, listedPythonPackages]) {
      assert.ok(list.every(({ version, license }) => /^\d/.test(version) && permissive.includes(license)));
      assert.ok(list.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256 ?? '')));
      assert.ok(list.filter(({ part }) => part === 'validation').length >= 4);
    }
  });
});

describe('sources', () => {
  it('lose addresses, keys and tokens, and nothing else', () => {
    const code = 'const user = "name" + "@" + host; // @param {string} name\nimport a from "@scope/package";';
    assert.equal(withoutSecrets(code), code);
    assert.equal(withoutSecrets('by J. Doe <j.doe+code@mail.example.org>'), 'by J. Doe <user@example.com>');
    assert.equal(withoutSecrets(`key = 'AKIAABCDEFGHIJKLMNOP'`), `key = 'TOKEN'`);
    assert.equal(withoutSecrets(`t = "ghp_${'a1'.repeat(18)}"`), 't = "TOKEN"');
    assert.equal(withoutSecrets(`digest = '${'0f'.repeat(20)}'`), `digest = 'HEX'`);
    assert.equal(withoutSecrets('-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----'), 'PRIVATE_KEY');
  });

  it('in Python are used without tests, migrations and copies of others', () => {
    assert.equal(unsuitablePython('sums/module.py', source('sums')), null);
    for (const name of ['sums/tests/a.py', 'sums/_vendor/b.py', 'sums/migrations/0001.py', 'sums/a.ts'])
      assert.notEqual(unsuitablePython(name, source('sums')), null, name);
  });
});
