import * as vscode from 'vscode';
import { fitText, size } from '../../platform/amounts.ts';
import { messageOf } from '../../platform/errors.ts';
import { printableLine } from '../../protocol/printable.ts';
import { listModels, type ModelSummary } from '../../protocol/runtime.ts';
import type { ChosenModel } from '../models/chosen-model.ts';
import { labelOf, licenceText, origins, parametersText } from '../models/model-items.ts';
import type { Runtime } from '../runtime.ts';

/**
 * The available models: the bundled and installed ones, and a run's checkpoint if it is in use for completions. The
 * runtime lists them. An element is a value of the setting `unmask.model`.
 */
export class ModelsTree implements vscode.TreeDataProvider<string>, vscode.Disposable {
  readonly #runtime: Runtime;
  readonly #chosen: ChosenModel;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #subscriptions: vscode.Disposable;
  #models: readonly ModelSummary[] = [];
  #problem: string | null = null;
  readonly onDidChangeTreeData = this.#changed.event;

  constructor(runtime: Runtime, chosen: ChosenModel) {
    this.#runtime = runtime;
    this.#chosen = chosen;
    let known = '';
    this.#subscriptions = vscode.Disposable.from(
      this.#changed,
      runtime.onDidStart(() => this.refresh()),
      runtime.onDidChangeState((state) => {
        // The runtime reports its state after every completion, but the list of models changes less often.
        const kind = state.kind === 'running' ? 'running' : state.reason;
        if (kind !== known) this.refresh();
        known = kind;
      }),
      chosen.onDidChange(() => this.refresh()),
    );
  }

  refresh(): void {
    this.#changed.fire();
  }

  /** Why the models could not be listed; null if they were. */
  get problem(): string | null {
    return this.#problem;
  }

  find(name: string): ModelSummary | undefined {
    return this.#models.find((model) => model.name === name);
  }

  async getChildren(element?: string): Promise<string[]> {
    if (element !== undefined) return [];
    try {
      const found = await this.#runtime.request<ModelSummary[]>(listModels);
      this.#models = found.filter(({ kind, name }) => kind !== 'run' || name === this.#chosen.name);
      this.#problem = null;
    } catch (error) {
      this.#models = [];
      this.#problem = messageOf(error);
    }
    return this.#models.map(({ name }) => name);
  }

  getParent(): undefined {
    return undefined;
  }

  getTreeItem(name: string): vscode.TreeItem {
    const model = this.find(name);
    return model ? itemOf(model, name === this.#chosen.name) : new vscode.TreeItem(name);
  }

  dispose(): void {
    this.#subscriptions.dispose();
  }
}

function itemOf(model: ModelSummary, used: boolean): vscode.TreeItem {
  const { name, kind, parameters, bytes, completes, description, folder, memory, problem } = model;
  const item = new vscode.TreeItem(labelOf(name));
  const facts = [
    ...(used ? ['in use'] : []),
    size(bytes),
    ...(parameters === null ? [] : [parametersText(parameters)]),
  ];
  item.id = name;
  item.description = facts.join(' · ');
  item.iconPath = new vscode.ThemeIcon(problem !== null ? 'warning' : used ? 'check' : 'package');
  const use = problem ?? (completes ? 'completes code' : 'for tasks, does not complete code');
  item.tooltip = [description, origins[kind], licenceText(model), use, `Memory: ${fitText(memory)}`, folder]
    .map(printableLine)
    .filter(Boolean)
    .join('\n');
  item.contextValue = ['model', kind, ...(completes && !used ? ['usable'] : []), ...(used ? ['used'] : [])].join('.');
  item.accessibilityInformation = { label: [item.label, ...facts, origins[kind], licenceText(model), use].join(', ') };
  return item;
}
