import * as vscode from 'vscode';
import { settings } from '../contributions.ts';

const ofWorkspace = 'model';

/** Whom a choice of a model is for. */
export type ModelScope = 'workspace' | 'everywhere';

/**
 * The model that completes in this window: the one that was chosen for this workspace, else the setting's. A choice for
 * a workspace is kept in VS Code's own storage and not in the workspace's settings: these are files that somebody else
 * may have written, and whoever opens a folder should not load what it names.
 */
export class ChosenModel implements vscode.Disposable {
  readonly #memory: vscode.Memento;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #subscription: vscode.Disposable;
  readonly onDidChange = this.#changed.event;

  /** @param memory the workspace's */
  constructor(memory: vscode.Memento) {
    this.#memory = memory;
    this.#subscription = vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration(settings.model)) this.#changed.fire();
    });
  }

  get name(): string {
    return this.#memory.get<string>(ofWorkspace) ?? this.#everywhere;
  }

  /** Whether it was chosen for this workspace alone. */
  get scope(): ModelScope {
    return this.#memory.get<string>(ofWorkspace) === undefined ? 'everywhere' : 'workspace';
  }

  /** Chooses another one; a choice for everywhere is one for this workspace too. */
  async choose(name: string, scope: ModelScope): Promise<void> {
    if (scope === 'workspace') await this.#memory.update(ofWorkspace, name);
    else {
      await this.#memory.update(ofWorkspace, undefined);
      await vscode.workspace.getConfiguration().update(settings.model, name, vscode.ConfigurationTarget.Global);
    }
    this.#changed.fire();
  }

  /** Uses another one where the present one is used; the setting's own needs no choice for the workspace. */
  async use(name: string): Promise<void> {
    if (this.scope === 'workspace' && name === this.#everywhere) await this.forgetWorkspace();
    else await this.choose(name, this.scope);
  }

  async forgetWorkspace(): Promise<void> {
    await this.#memory.update(ofWorkspace, undefined);
    this.#changed.fire();
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#changed.dispose();
  }

  get #everywhere(): string {
    return vscode.workspace.getConfiguration().get<string>(settings.model, '');
  }
}
