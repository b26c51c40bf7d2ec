import { existsSync } from 'node:fs';
import path from 'node:path';
import { Template } from '@huggingface/jinja';
import { messageOf, UserError } from '../platform/errors.ts';
import { readJson, readText } from '../platform/files.ts';
import { renderInTime } from './bounded-tokenizer.ts';

/** A rendered text, and the position of the message in it, [from, to). */
export interface RenderedMessage {
  readonly text: string;
  readonly from: number;
  readonly to: number;
}

/** A chat template in a file of its own. */
export const templateFile = 'chat_template.jinja';

/** The special tokens that templates use by name. */
const tokenNames = ['bos_token', 'eos_token', 'pad_token', 'unk_token', 'mask_token'] as const;

/** A placeholder of private-use characters, which do not occur in normal text. */
const placeholder = '\uE000message\uE001';

/**
 * A model's format for conversations: `chat_template` in its `tokenizer_config.json`, in the Jinja dialect of Hugging
 * Face's libraries.
 */
export class ChatTemplate {
  readonly #template: Template;
  readonly #source: string;
  readonly #tokens: Record<string, string>;

  private constructor(template: Template, source: string, tokens: Record<string, string>) {
    this.#template = template;
    this.#source = source;
    this.#tokens = tokens;
  }

  /** Null if the configuration has no template. Throws a `UserError` if the template is invalid. */
  static of(config: object): ChatTemplate | null {
    const fields = config as Record<string, unknown>;
    const source = templateOf(fields.chat_template);
    if (source === undefined) return null;
    const tokens: Record<string, string> = {};
    for (const name of tokenNames) {
      const value = fields[name];
      const content = typeof value === 'string' ? value : (value as { content?: unknown } | null | undefined)?.content;
      if (typeof content === 'string') tokens[name] = content;
    }
    try {
      return new ChatTemplate(new Template(source), source, tokens);
    } catch (error) {
      throw new UserError(`The model's chat_template cannot be read (${messageOf(error)}); choose another format.`);
    }
  }

  /** Renders a conversation of one user message, up to the beginning of the answer. Thinking is switched off. */
  render(message: string): RenderedMessage {
    const text = this.#rendered(message);
    // A placeholder that does not occur in the template shows where the template puts the message.
    const [before, after, ...more] = this.#rendered(placeholder).split(placeholder);
    const end = text.length - (after ?? '').length;
    const middle = text.slice((before as string).length, end);
    const isThere = after !== undefined && more.length === 0 && text === before + middle + after;
    // Many templates trim the message.
    if (!isThere || (middle !== message && middle !== message.trim()))
      throw new UserError("The model's chat_template changes the prompt; choose another format.");
    return { text, from: (before as string).length, to: end };
  }

  #rendered(message: string): string {
    try {
      return renderInTime(this.#source, () =>
        this.#template.render({
          ...this.#tokens,
          messages: [{ role: 'user', content: message }],
          add_generation_prompt: true,
          enable_thinking: false,
        }),
      );
    } catch (error) {
      throw new UserError(`The model's chat_template fails (${messageOf(error)}); choose another format.`);
    }
  }
}

/**
 * The file with the chat template of a model folder; null if it has none. As in transformers, a separate file takes precedence over
 * the field of `tokenizer_config.json`; `isIgnored`: that field has another template.
 */
export async function chatTemplateSource(
  folder: string,
): Promise<{ readonly file: string | null; readonly isIgnored: boolean }> {
  const [separate, configuration] = [path.join(folder, templateFile), path.join(folder, 'tokenizer_config.json')];
  const config = existsSync(configuration) ? await readJson(configuration) : null;
  const field = templateOf((config as { chat_template?: unknown } | null)?.chat_template);
  if (!existsSync(separate)) return { file: field === undefined ? null : 'tokenizer_config.json', isIgnored: false };
  return { file: templateFile, isIgnored: field !== undefined && field !== (await readText(separate)) };
}

/** A model may have a list of named templates; the one for conversations is called `default`. */
function templateOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named = value as { name?: unknown; template?: unknown }[];
  const found = named.find(({ name }) => name === 'default')?.template;
  return typeof found === 'string' ? found : undefined;
}
