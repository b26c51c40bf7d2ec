import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { commands, panelEditor, settings } from '../../src/extension/contributions.ts';
import { defaultSettings } from '../../src/runtime/server.ts';

interface Setting {
  readonly default: unknown;
  readonly scope?: string;
  readonly description?: string;
  readonly markdownDescription?: string;
}

interface Manifest {
  readonly name: string;
  readonly publisher: string;
  readonly icon: string;
  readonly activationEvents: readonly string[];
  readonly extensionKind: readonly string[];
  readonly engines: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly contributes: {
    readonly commands: readonly { readonly command: string; readonly title: string; readonly category: string }[];
    readonly configuration: { readonly properties: Readonly<Record<string, Setting>> };
  };
  readonly capabilities: Readonly<Record<string, { readonly supported: unknown; readonly description: string }>>;
}

const root = new URL('../../', import.meta.url);
const manifest = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as Manifest;

describe('the manifest', () => {
  it('is that of unmask.unmask', () => {
    assert.equal(`${manifest.publisher}.${manifest.name}`, 'unmask.unmask');
    assert.ok(existsSync(new URL(manifest.icon, root)));
  });

  it('declares the commands that the code registers, each in the category Unmask', () => {
    assert.deepEqual(
      manifest.contributes.commands.map(({ command }) => command).sort(),
      Object.values(commands).sort(),
    );
    for (const { command, title, category } of manifest.contributes.commands) {
      assert.equal(category, 'Unmask', command);
      assert.doesNotMatch(title, /Unmask/, 'the category is shown before the title');
    }
  });

  it('declares the settings that the code reads, each with a description', () => {
    const { properties } = manifest.contributes.configuration;
    assert.deepEqual(Object.keys(properties).sort(), Object.values(settings).sort());
    for (const [name, { description, markdownDescription }] of Object.entries(properties)) {
      assert.ok(description ?? markdownDescription, name);
    }
  });

  it('lets no workspace say which program is started', () => {
    assert.equal(manifest.contributes.configuration.properties[settings.node]?.scope, 'machine');
  });

  it('wakes up when the window has come up, and for its commands', () => {
    assert.deepEqual(manifest.activationEvents, ['onStartupFinished', `onWebviewPanel:${panelEditor}`]);
  });

  it('runs where the files and the GPU are', () => {
    assert.deepEqual(manifest.extensionKind, ['workspace']);
  });

  it('lets no workspace say which model is loaded, or on what', () => {
    for (const name of [settings.model, settings.engine, settings.device])
      assert.equal(manifest.contributes.configuration.properties[name]?.scope, 'machine', name);
  });

  it('has the defaults that the runtime has too', () => {
    const { completions, ...own } = defaultSettings;
    for (const [name, value] of Object.entries({ ...own, ...completions }))
      assert.deepEqual(
        manifest.contributes.configuration.properties[settings[name as keyof typeof settings]]?.default,
        value,
        name,
      );
  });

  it('gives a reason for what it does in untrusted and virtual workspaces', () => {
    for (const name of ['untrustedWorkspaces', 'virtualWorkspaces']) {
      assert.ok(manifest.capabilities[name]!.description.length > 40, name);
    }
  });

  it('is type-checked against the oldest VS Code that it claims to run in', () => {
    assert.equal(`^${manifest.devDependencies['@types/vscode']}`, manifest.engines.vscode);
  });
});
