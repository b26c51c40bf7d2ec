import * as vscode from 'vscode';
import { size } from '../../platform/amounts.ts';
import { readProgressLine } from '../../platform/download-progress.ts';
import { messageOf, UserError } from '../../platform/errors.ts';
import { parseHubId } from '../../platform/model-name.ts';
import type { ModelOffer } from '../../protocol/models.ts';
import type { MissingBase, ModelSummary } from '../../protocol/runtime.ts';
import { signalOf } from '../abort-signal.ts';
import { commands } from '../contributions.ts';
import { keepOpen } from '../keep-open.ts';
import type { NodeChoice } from '../node-choice.ts';
import { runUnmask } from '../run-unmask.ts';
import { withErrorsShown } from '../show-error.ts';
import type { ModelsTree } from '../trees/models-tree.ts';
import { withHubToken } from './hub-token.ts';
import { labelOf, offerLines } from './model-items.ts';
import { publishedModels } from './published-models.ts';

export interface AddModelParts {
  readonly nodes: NodeChoice;
  readonly models: ModelsTree;
  /** The packaged `unmask.mjs`. */
  readonly script: string;
  readonly log: vscode.LogOutputChannel;
}

/** The model to add: a hub id or a folder, or which of them to ask for. */
export type ModelSource =
  | { readonly hub: string }
  | { readonly folder: string }
  | { readonly base: MissingBase }
  | { readonly ask: 'hub' | 'folder' | 'either' };

/**
 * `Unmask: Add Model`: adds a model from the Hugging Face Hub, after showing its size and licence, or from a folder. It
 * does not ask for a source that is passed as an argument (by another command or a test). Returns the model's name.
 */
export function registerAddModel(context: vscode.ExtensionContext, parts: AddModelParts): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(
      commands.addModel,
      withErrorsShown(parts.log, async (value?: unknown) => {
        const source = await ask(isSource(value) ? value : { ask: 'either' });
        if (!source) return undefined;
        // A text that is not a hub id could be read as a path.
        if ('hub' in source) parseHubId(source.hub);
        const offer = 'hub' in source ? await fetchOffer(context, parts, source.hub) : null;
        if (offer !== null && offer.installed !== offer.revision && !(await confirm(offer))) return undefined;
        if ('base' in source && !(await confirmBase(source.base))) return undefined;
        const what = 'hub' in source ? source.hub : 'base' in source ? source.base.name : source.folder;
        // The user has confirmed that this revision replaces the installed one.
        const args = ['models', 'add', what, ...((offer?.installed ?? null) === null ? [] : ['--replace'])];
        const { model } = await withProgress(`Unmask: Adding ${labelOf(what)}`, (report, signal) =>
          unmask<{ model: ModelSummary }>(context, parts, args, signal, report),
        );
        parts.models.refresh();
        if (!('base' in source)) void offerUse(model);
        return model.name;
      }),
    ),
  );
}

const isSource = (value: unknown): value is ModelSource =>
  typeof value === 'object' && value !== null && ['hub', 'folder', 'base', 'ask'].some((kind) => kind in value);

/** Asks for the source if none was passed. Undefined if the user cancels. */
async function ask(source: ModelSource): Promise<Exclude<ModelSource, { ask: unknown }> | undefined> {
  if (!('ask' in source)) return source;
  if (source.ask === 'folder') return askFolder();
  const suggested = publishedModels.map(({ id, facts, about }) => ({ label: id, description: facts, detail: about }));
  const byId = { label: '$(edit) Enter a model id…' };
  const folder = { label: '$(folder) Select a model folder…' };
  const separator = { label: 'Published masked diffusion models', kind: vscode.QuickPickItemKind.Separator };
  const picked = await vscode.window.showQuickPick<vscode.QuickPickItem>(
    [byId, ...(source.ask === 'either' ? [folder] : []), separator, ...suggested],
    { title: 'Add a model from the Hugging Face Hub', matchOnDescription: true, matchOnDetail: true, ...keepOpen },
  );
  if (!picked) return undefined;
  if (picked === folder) return askFolder();
  const hub = picked === byId ? await askId() : picked.label;
  return hub === undefined ? undefined : { hub };
}

async function askId(): Promise<string | undefined> {
  const id = await vscode.window.showInputBox({
    ...keepOpen,
    title: 'Model on the Hugging Face Hub',
    prompt:
      'OWNER/NAME, OWNER/NAME/FOLDER or OWNER/NAME@REVISION. You see the size and licence before the download starts.',
    placeHolder: publishedModels[0]?.id,
    validateInput: (text) => (text.trim() === '' ? null : idProblem(text)),
  });
  return id?.trim() || undefined;
}

function idProblem(text: string): string | null {
  try {
    parseHubId(text);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

async function askFolder(): Promise<{ readonly folder: string } | undefined> {
  const folders = await vscode.window.showOpenDialog({
    title: 'Select a model folder (config.json, model.safetensors, tokenizer.json)',
    canSelectFiles: false,
    canSelectFolders: true,
    openLabel: 'Copy to Models',
  });
  return folders?.[0] && { folder: folders[0].fsPath };
}

/** Reads a model's metadata from the hub. Throws a `UserError` if the model cannot be loaded. */
async function fetchOffer(context: vscode.ExtensionContext, parts: AddModelParts, id: string): Promise<ModelOffer> {
  const { model } = await withProgress(`Unmask: Looking up ${id}`, (_, signal) =>
    unmask<{ model: ModelOffer }>(context, parts, ['models', 'add', id, '--dry-run'], signal),
  );
  if (model.problem !== null) throw new UserError(`${model.name} cannot be loaded: ${model.problem}`);
  return model;
}

/** Shows what would be downloaded and asks for confirmation. */
const confirm = (model: ModelOffer): Promise<boolean> => confirmDownload(model.name, offerLines(model));

const confirmBase = ({ name, bytes, licence }: MissingBase): Promise<boolean> =>
  confirmDownload(name, [`${size(bytes)} to download`, `licence ${licence}`]);

async function confirmDownload(name: string, facts: readonly string[]): Promise<boolean> {
  const download = 'Download';
  const detail = [...facts, '', 'The files are verified and stored on this machine. No data is uploaded.'].join('\n');
  const answer = await vscode.window.showInformationMessage(`Download ${name}?`, { modal: true, detail }, download);
  return answer === download;
}

/** Runs the packaged program with the hub token, if there is one, and reports each line of progress. */
async function unmask<Document>(
  { secrets }: vscode.ExtensionContext,
  { nodes, script, log }: AddModelParts,
  args: readonly string[],
  signal: AbortSignal,
  report: (line: string) => void = () => {},
): Promise<Document> {
  const node = await withHubToken(await nodes.get(), secrets);
  return runUnmask<Document>(node, script, args, {
    signal,
    log: (line) => {
      if (readProgressLine(line) === null) log.info(line);
      report(line);
    },
  });
}

function withProgress<Result>(
  title: string,
  work: (report: (line: string) => void, signal: AbortSignal) => Promise<Result>,
): Thenable<Result> {
  return vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    (progress, token) => {
      let percent = 0;
      return work((line) => {
        const now = readProgressLine(line);
        if (now === null) return;
        progress.report({ message: now.message, increment: now.percent - percent });
        percent = now.percent;
      }, signalOf(token));
    },
  );
}

/** Offers to use a model that completes code; for another model, says what it can be used for. */
async function offerUse({ name, completes }: ModelSummary): Promise<void> {
  const use = 'Use for Completions';
  const answer = completes
    ? await vscode.window.showInformationMessage(`Model ${name} was installed.`, use)
    : await vscode.window.showInformationMessage(
        `Model ${name} was installed. It is not trained for infilling, so you can use it for tuning and evaluation only.`,
      );
  if (answer === use) await vscode.commands.executeCommand(commands.useModel, name);
}
