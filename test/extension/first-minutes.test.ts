import assert from 'node:assert/strict';
import { register } from 'node:module';
import { describe, it } from 'node:test';
import { CopyIndex } from '../../src/copies/copy-index.ts';
import { findCopies } from '../../src/copies/find-copies.ts';
import { commands } from '../../src/extension/contributions.ts';
import { sample } from '../../src/extension/sample-text.ts';
import { chooseSuggestions, isConfident } from '../../src/runtime/choose-suggestions.ts';

const fake = new URL('fake-vscode.ts', import.meta.url).href;
const hooks = `export const resolve = (name, context, next) => next(name === 'vscode' ? ${JSON.stringify(fake)} : name, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
const { menuItems } = await import('../../src/extension/show-menu.ts');

describe('the sample file', () => {
  it('has a completion at its cursor that is shown without a model', async () => {
    const [prefix, suffix] = sample.split('|') as [string, string];
    const name = 'untitled:Untitled-1';
    const copies = await findCopies(new CopyIndex(), { name, prefix, suffix, singleLine: true, isNear: () => false });
    const gap = { languageId: 'typescript', text: { prefix, suffix }, singleLine: true };
    const shown = chooseSuggestions(gap, { copies, alternatives: null, threshold: 0 });
    assert.equal(shown[0]?.text, 'items) {');
    assert.ok(isConfident(shown), `probability ${shown[0]?.probability}`);
  });
});

describe('the menu of the status bar', () => {
  const labels = (...args: Parameters<typeof menuItems>) =>
    menuItems(...args).map(({ label }) => label.replace(/^\$\([\w-]+\) /, ''));

  it('turns completions on or off, and leads to what explains and repairs them', () => {
    assert.equal(labels(true, null)[1], 'Turn completions off');
    assert.equal(labels(false, null)[1], 'Turn completions on');
    const ran = menuItems(true, 'python').flatMap(({ command }) => command ?? []);
    for (const command of [
      commands.toggleCompletions,
      commands.snoozeCompletions,
      commands.explainLastCompletion,
      commands.selectModel,
      commands.restartRuntime,
      commands.showLog,
    ])
      assert.ok(ran.includes(command), command);
    const known = Object.values<string>(commands);
    for (const command of ran) assert.ok(known.includes(command) || command.startsWith('workbench.'), command);
  });

  it('has the language of the editor, if there is one', () => {
    assert.ok(labels(true, 'python').includes('Turn completions for python on or off'));
    assert.ok(!labels(true, null).some((label) => /completions for/.test(label)));
  });
});
