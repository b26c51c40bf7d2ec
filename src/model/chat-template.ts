import { Template } from '@huggingface/jinja';
import { messageOf, UserError } from '../platform/errors.ts';

/** A text, and where within it the message stands that it was made for, [from, to). */
export interface RenderedMessage {
  readonly text: string;
  readonly from: number;
  readonly to: number;
}

/** The special tokens that templates write out by their names. */
const tokenNames = ['bos_token', 'eos_token', 'pad_token', 'unk_token', 'mask_token'] as const;

/** Of characters that no text has a use for. */
const standIn = '\uE000message\uE001';

/**
 * A model's own form of a conversation: `chat_template` of its `tokenizer_config.json`, in the Jinja dialect of Hugging Face's
 * libraries.
 */
export class ChatTemplate {
  readonly #template: Template;
  readonly #tokens: Record<string, string>;

  private constructor(template: Template, tokens: Record<string, string>) {
    this.#template = template;
    this.#tokens = tokens;
  }

  /** Null where the configuration holds none; throws a `UserError` where it is no template. */
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
      return new ChatTemplate(new Template(source), tokens);
    } catch (error) {
      throw new UserError(`The model's chat_template cannot be read (${messageOf(error)}); ask for another format.`);
    }
  }

  /** A question of one message, up to where the answer begins; where models can think aloud first, they are told not to. */
  render(message: string): RenderedMessage {
    const text = this.#rendered(message);
    // Where the message stands is learnt from one that reads like nothing in the template.
    const [before, behind, ...more] = this.#rendered(standIn).split(standIn);
    const end = text.length - (behind ?? '').length;
    const middle = text.slice((before as string).length, end);
    const isThere = behind !== undefined && more.length === 0 && text === before + middle + behind;
    // Many templates trim what they are given.
    if (!isThere || (middle !== message && middle !== message.trim()))
      throw new UserError("The model's chat_template changes the prompt that it is given; ask for another format.");
    return { text, from: (before as string).length, to: end };
  }

  #rendered(message: string): string {
    try {
      return this.#template.render({
        ...this.#tokens,
        messages: [{ role: 'user', content: message }],
        add_generation_prompt: true,
        enable_thinking: false,
      });
    } catch (error) {
      throw new UserError(`The model's chat_template fails (${messageOf(error)}); ask for another format.`);
    }
  }
}

/** Several templates come in a list by their names; the one for conversations is called `default`. */
function templateOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named = value as { name?: unknown; template?: unknown }[];
  const found = named.find(({ name }) => name === 'default')?.template;
  return typeof found === 'string' ? found : undefined;
}
