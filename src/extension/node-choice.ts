import * as vscode from 'vscode';
import { firstAccepted, whyNoEngineWorks } from './accept-node.ts';
import { settings } from './contributions.ts';
import { findNodes, type NodeProgram } from './find-node.ts';

const remembered = 'acceptedNodes';

/**
 * The Node that runs the runtime and the jobs: the configured one, else the first on PATH that is new enough, else VS
 * Code's own. An engine must pass its self-test in it. A pass is remembered for this Node and this version of the
 * extension, so that most windows do not test anything.
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

  /** Throws a `UserError` if no Node is accepted; the next call searches again. */
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
    // Only passes are remembered: a failure may have been fixed since.
    const accepted = this.#memory.get<readonly string[]>(remembered, []);
    const key = `${this.#version} ${node.version} ${node.file}`;
    if (accepted.includes(key)) return null;
    this.#log.info(`Testing a backend in ${node.file} (Node.js ${node.version})`);
    const reason = await whyNoEngineWorks(node, this.#script, (line) => this.#log.info(line));
    if (reason === null) await this.#memory.update(remembered, [key, ...accepted].slice(0, 10));
    else this.#log.warn(`Not using ${node.file}: ${reason}`);
    return reason;
  }
}
