import * as vscode from 'vscode';
import { firstAccepted, whyNoEngineWorks } from './accept-node.ts';
import { settings } from './contributions.ts';
import { findNodes, type NodeProgram } from './find-node.ts';

const remembered = 'acceptedNodes';

/**
 * The Node that the runtime and the jobs are started with: the one that the user names, else the first on PATH that is
 * new enough, else VS Code's own; in each case one in which an engine passes its self-test. A verdict stays good for
 * the Node and this version of the extension, so that a window usually tests nothing.
 */
export class NodeChoice {
  readonly #script: string;
  readonly #memory: vscode.Memento;
  readonly #version: string;
  readonly #log: vscode.LogOutputChannel;
  #chosen: { readonly named: string; readonly node: Promise<NodeProgram> } | null = null;

  constructor(context: vscode.ExtensionContext, script: string, log: vscode.LogOutputChannel) {
    this.#script = script;
    this.#memory = context.globalState;
    this.#version = String((context.extension.packageJSON as { version: unknown }).version);
    this.#log = log;
  }

  /** Throws a `UserError` where there is none; the next call looks again. */
  get(): Promise<NodeProgram> {
    const named = vscode.workspace.getConfiguration().get<string>(settings.node, '');
    if (this.#chosen?.named !== named) {
      const node = firstAccepted(findNodes(named), (found) => this.#whyNot(found));
      const chosen = { named, node };
      this.#chosen = chosen;
      node.catch(() => {
        if (this.#chosen === chosen) this.#chosen = null;
      });
    }
    return this.#chosen.node;
  }

  async #whyNot(node: NodeProgram): Promise<string | null> {
    // Only passes are remembered: what failed may have been mended since.
    const accepted = this.#memory.get<readonly string[]>(remembered, []);
    const key = `${this.#version} ${node.version} ${node.file}`;
    if (accepted.includes(key)) return null;
    this.#log.info(`Testing an engine in ${node.file} (Node.js ${node.version})`);
    const reason = await whyNoEngineWorks(node, this.#script, (line) => this.#log.info(line));
    if (reason === null) await this.#memory.update(remembered, [key, ...accepted].slice(0, 10));
    else this.#log.warn(`Passed over ${node.file}: ${reason}`);
    return reason;
  }
}
