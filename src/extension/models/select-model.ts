import * as vscode from 'vscode';
import { listModels, type MissingBase, type ModelSummary } from '../../protocol/runtime.ts';
import { commands } from '../contributions.ts';
import { keepOpen } from '../keep-open.ts';
import type { Runtime } from '../runtime.ts';
import { withErrorsShown } from '../show-error.ts';
import type { ModelSource } from './add-model.ts';
import type { ChosenModel, ModelScope } from './chosen-model.ts';
import { downloadItems, labelOf, modelGroups } from './model-items.ts';

type Item = vscode.QuickPickItem & {
  readonly name?: string;
  readonly add?: ModelSource;
  readonly base?: MissingBase;
};

/** `Unmask: Select Model`: selects the model for completions, for this workspace or for all, or adds a model. */
export function registerSelectModel(
  context: vscode.ExtensionContext,
  {
    runtime,
    chosen,
    log,
  }: { readonly runtime: Runtime; readonly chosen: ChosenModel; readonly log: vscode.LogOutputChannel },
): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(
      commands.selectModel,
      withErrorsShown(log, async () => {
        const items = runtime.request<ModelSummary[]>(listModels).then((models) => itemsOf(models, chosen.name));
        const where = chosen.scope === 'workspace' ? ', in this workspace' : '';
        const title = `Select a model for completions (current: ${labelOf(chosen.name)}${where})`;
        const options = { title, matchOnDescription: true, matchOnDetail: true, ...keepOpen };
        const picked = await vscode.window.showQuickPick<Item>(items, options);
        if (picked?.add) await vscode.commands.executeCommand(commands.addModel, picked.add);
        if (picked?.name === undefined) return;
        // A base that was not added leaves the model as it is.
        if (picked.base && !(await vscode.commands.executeCommand(commands.addModel, { base: picked.base }))) return;
        const scope = await askScope(chosen.scope);
        if (scope) await chosen.choose(picked.name, scope);
      }),
    ),
  );
}

function itemsOf(models: readonly ModelSummary[], used: string): Item[] {
  const separator = (label: string) => ({ label, kind: vscode.QuickPickItemKind.Separator });
  const downloads = downloadItems(models);
  return [
    ...modelGroups(models, used).flatMap(({ title, items }) => [separator(title), ...items]),
    ...(downloads.length === 0 ? [] : [separator('Larger, after a download'), ...downloads]),
    separator('More'),
    { label: '$(cloud-download) Add a model from the Hugging Face Hub…', add: { ask: 'hub' }, alwaysShow: true },
    { label: '$(folder) Add a model folder…', add: { ask: 'folder' }, alwaysShow: true },
  ];
}

/** Asks where the choice applies, with the current scope first. If no folder is open, it applies everywhere. */
async function askScope(before: ModelScope): Promise<ModelScope | undefined> {
  if (!vscode.workspace.workspaceFolders?.length) return 'everywhere';
  const everywhere = {
    label: 'For all workspaces',
    detail: 'Stored in your user settings (unmask.model).',
    scope: 'everywhere',
  } as const;
  const workspace = {
    label: 'For this workspace only',
    detail: 'Stored by VS Code, not in the files of the workspace.',
    scope: 'workspace',
  } as const;
  const items = before === 'workspace' ? [workspace, everywhere] : [everywhere, workspace];
  return (await vscode.window.showQuickPick(items, { title: 'Where to use this model', ...keepOpen }))?.scope;
}
