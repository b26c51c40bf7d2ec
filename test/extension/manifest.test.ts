import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { commands, panelEditor, settings, views } from '../../src/extension/contributions.ts';
import { defaultJobSettings, defaultSettings } from '../../src/protocol/default-settings.ts';

interface Setting {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly enumDescriptions?: readonly string[];
  readonly default: unknown;
  readonly scope?: string;
  readonly description?: string;
  readonly markdownDescription?: string;
}

interface View {
  readonly id: string;
  readonly name: string;
  readonly icon: string;
}

interface WalkthroughStep {
  readonly id: string;
  readonly description: string;
  readonly media: { readonly svg: string; readonly altText: string };
  readonly completionEvents: readonly string[];
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
    readonly viewsContainers: Readonly<Record<string, readonly { readonly id: string; readonly icon: string }[]>>;
    readonly views: Readonly<Record<string, readonly View[]>>;
    readonly viewsWelcome: readonly { readonly view: string; readonly contents: string }[];
    readonly menus: Readonly<Record<string, readonly { readonly command: string; readonly when: string }[]>>;
    readonly keybindings: readonly { readonly command: string; readonly key: string; readonly when: string }[];
    readonly walkthroughs: readonly { readonly steps: readonly WalkthroughStep[] }[];
  };
  readonly capabilities: Readonly<Record<string, { readonly supported: unknown; readonly description: string }>>;
}

type Name = keyof typeof settings;

const root = new URL('../../', import.meta.url);
const manifest = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as Manifest;

describe('the manifest', () => {
  it('has the id unmask.unmask', () => {
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

  it('does not let a workspace set which program is started', () => {
    assert.equal(manifest.contributes.configuration.properties[settings.node]?.scope, 'machine');
  });

  it('states the scope of every setting, and describes every choice', () => {
    for (const [name, setting] of Object.entries(manifest.contributes.configuration.properties)) {
      assert.ok(['machine', 'window', 'resource'].includes(setting.scope ?? ''), name);
      if (setting.enum) assert.equal(setting.enumDescriptions?.length, setting.enum.length, name);
    }
  });

  it('does not let a workspace set where data is stored, or how jobs are run', () => {
    const jobs = Object.keys(settings).filter((name) => /unmask\.(jobs|tuning)\./.test(settings[name as Name]));
    for (const name of ['home', ...jobs.filter((each) => each !== 'notifyAtEnd')])
      assert.equal(manifest.contributes.configuration.properties[settings[name as Name]]?.scope, 'machine', name);
  });

  it('declares the views that the code fills, each with an icon and a name', () => {
    const declared = Object.values(manifest.contributes.views).flat();
    assert.deepEqual(declared.map(({ id }) => id).sort(), Object.values(views).sort());
    const containers = Object.values(manifest.contributes.viewsContainers).flat();
    assert.deepEqual(containers.map(({ id }) => id).sort(), Object.keys(manifest.contributes.views).sort());
    for (const { icon } of [...declared, ...containers]) assert.ok(existsSync(new URL(icon, root)), icon);
  });

  const linked = (text: string) => [...text.matchAll(/\(command:([\w.]+)\)/g)].map(([, command]) => command!);
  /** Commands of VS Code itself, which links may use too. */
  const isOurs = (command: string) => !/^(workbench|vscode)\./.test(command);
  const known = new Set<string>(Object.values(commands));

  it('says in every empty tree what to do next', () => {
    for (const view of [views.runs, views.tests, views.models, views.evaluations]) {
      const welcome = manifest.contributes.viewsWelcome.filter((entry) => entry.view === view);
      const links = welcome.flatMap(({ contents }) => linked(contents));
      assert.ok(links.some(isOurs), `${view} offers a command of the extension`);
      for (const command of links.filter(isOurs)) assert.ok(known.has(command), command);
    }
  });

  it('adds only its own commands to menus, each under a condition', () => {
    for (const [menu, items] of Object.entries(manifest.contributes.menus))
      for (const { command, when } of items) {
        assert.ok(known.has(command), `${menu}: ${command}`);
        assert.match(when, /\b(view|viewItem|unmask\.\w+|false)\b/, `${menu}: ${command}`);
      }
  });

  it('takes Tab and Esc only for a next edit, and never from a suggestion, a list or a snippet', () => {
    for (const { command, key, when } of manifest.contributes.keybindings) {
      assert.ok(known.has(command), command);
      assert.match(when, /\beditorTextFocus\b/, command);
      if (!/^(tab|escape)$/.test(key)) continue;
      const needed = ['unmask.nextEditVisible', '!inlineSuggestionVisible', '!suggestWidgetVisible', '!inSnippetMode'];
      for (const condition of needed) assert.ok(when.split(' && ').includes(condition), `${key}: ${condition}`);
    }
  });

  it('has a walkthrough of five steps, each with a picture, a command and a completion event', () => {
    const [walkthrough, ...others] = manifest.contributes.walkthroughs;
    assert.deepEqual(others, []);
    assert.equal(walkthrough?.steps.length, 5);
    for (const { id, description, media, completionEvents } of walkthrough.steps) {
      assert.ok(existsSync(new URL(media.svg, root)), media.svg);
      assert.ok(media.altText.length > 20, id);
      assert.ok(
        linked(description).some((command) => known.has(command)),
        id,
      );
      for (const command of linked(description).filter(isOurs)) assert.ok(known.has(command), command);
      assert.notDeepEqual(completionEvents, [], `${id} can be completed`);
      for (const event of completionEvents) assert.match(event, /^onCommand:unmask\.\w+$/, `${id}: ${event}`);
    }
  });

  it('is activated after startup, and by its commands', () => {
    assert.deepEqual(manifest.activationEvents, ['onStartupFinished', `onWebviewPanel:${panelEditor}`]);
  });

  it('runs where the files and the GPU are', () => {
    assert.deepEqual(manifest.extensionKind, ['workspace']);
  });

  it('does not let a workspace set which model is loaded, or on which device', () => {
    for (const name of [settings.model, settings.engine, settings.device])
      assert.equal(manifest.contributes.configuration.properties[name]?.scope, 'machine', name);
  });

  it('declares the same defaults as the code', () => {
    const { completions, ...own } = defaultSettings;
    const groups = { 'unmask.': own, 'unmask.completions.': completions, 'unmask.jobs.': defaultJobSettings };
    const inCode = new Map(
      Object.entries(groups).flatMap(([prefix, values]) =>
        Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value] as const),
      ),
    );
    const { properties } = manifest.contributes.configuration;
    for (const [name, value] of inCode) assert.deepEqual(properties[name]?.default, value, name);
    const declared = Object.keys(properties).filter((name) => /^unmask\.(completions|jobs)\./.test(name));
    assert.deepEqual(
      declared.filter((name) => !inCode.has(name)),
      [],
    );
    // These have no counterpart in the code: without a value, the extension or the runtime decides.
    for (const name of ['unmask.node', 'unmask.home', 'unmask.tests.command'])
      assert.equal(properties[name]?.default, '', name);
    assert.deepEqual(properties['unmask.tuning.hyperparameters']?.default, {});
  });

  it('gives a reason for its limits in untrusted and virtual workspaces', () => {
    for (const name of ['untrustedWorkspaces', 'virtualWorkspaces']) {
      assert.ok(manifest.capabilities[name]!.description.length > 40, name);
    }
  });

  it('is type-checked against the oldest supported version of VS Code', () => {
    assert.equal(`^${manifest.devDependencies['@types/vscode']}`, manifest.engines.vscode);
  });
});
