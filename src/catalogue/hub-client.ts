import { HUB_URL } from '@huggingface/hub';
import { UsageError, UserError } from '../platform/errors.ts';
import { Backoff } from './backoff.ts';
import { HubError, HubUnreachable } from './hub-error.ts';

const mostRedirects = 10;
/** What a system says where there is no network, no such host, or nobody who listens: asking again is no use. */
const nobodyThere = ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH'];

export interface HubSettings {
  /** The hub's address, without a slash at its end. */
  readonly endpoint: string;
  readonly token: string | null;
  readonly signal: AbortSignal;
  /** Milliseconds before the first repetition of what failed. */
  readonly firstWait: number;
  /** Milliseconds without an answer, or without a byte of one, after which a connection counts as lost. */
  readonly patience: number;
}

/**
 * Requests to a hub. The token goes to the hub itself and to nobody else: this adds it, request by request, and follows
 * redirects itself, because what the hub redirects to is another host's. Given as `fetch` to the functions of
 * `@huggingface/hub`, which therefore never see the token.
 */
export class HubClient {
  readonly settings: HubSettings;

  constructor(settings: HubSettings) {
    this.settings = settings;
  }

  /** As `fetch`, repeated where that may help; throws a `HubError` for every answer that is none. */
  readonly fetch: typeof fetch = async (input, init) => {
    const backoff = new Backoff(this.settings.firstWait, this.settings.signal);
    for (;;) {
      try {
        return await this.once(addressOf(input), init);
      } catch (error) {
        const mayPass = error instanceof HubError ? error.mayPass : error instanceof LostConnection;
        if (!mayPass) throw error;
        await backoff.wait(error);
      }
    }
  };

  /** One attempt: throws a `HubError`, a `HubUnreachable` or a `LostConnection`. */
  async once(url: string, init: RequestInit = {}): Promise<Response> {
    let at = new URL(url);
    for (let hop = 0; hop <= mostRedirects; hop++) {
      const response = await this.#ask(at, init);
      const location = response.headers.get('location');
      if (response.status < 300 || response.status >= 400 || location === null) {
        if (response.ok) return response;
        await response.body?.cancel();
        throw new HubError(response);
      }
      await response.body?.cancel();
      const next = new URL(location, at);
      if (next.protocol !== 'https:' && next.protocol !== at.protocol)
        throw new UserError(`${at.origin} redirects to ${next.protocol}//${next.host}, which is not safe; stopped.`);
      at = next;
    }
    throw new UserError(`${new URL(url).origin} redirects ${mostRedirects} times and more; try again later.`);
  }

  async #ask(url: URL, init: RequestInit): Promise<Response> {
    const { token, endpoint, signal, patience } = this.settings;
    const headers = new Headers(init.headers);
    if (token !== null && url.origin === new URL(endpoint).origin) headers.set('authorization', `Bearer ${token}`);
    else headers.delete('authorization');
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), patience);
    try {
      return await fetch(url, { ...init, headers, redirect: 'manual', signal: AbortSignal.any([signal, late.signal]) });
    } catch (error) {
      if (signal.aborted) throw error;
      const why = late.signal.aborted ? `no answer in ${patience / 1000} s` : causeOf(error);
      const sentence = `${url.host} cannot be reached (${why}); check the network and try again.`;
      throw nobodyThere.includes(why) ? new HubUnreachable(sentence) : new LostConnection(sentence);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A connection that was there, or might have been, and is gone: the next attempt may go through. */
export class LostConnection extends HubUnreachable {}

/**
 * Where the hub is, and who asks: `HF_ENDPOINT` and `HF_TOKEN`, as the hub's other clients read them. Throws a
 * `UsageError` where they cannot be used together.
 */
export function hubSettings(
  { HF_ENDPOINT, HF_TOKEN }: NodeJS.ProcessEnv,
  signal: AbortSignal,
  givenToken: string | null = null,
): HubSettings {
  const endpoint = (HF_ENDPOINT?.trim() || HUB_URL).replace(/\/+$/, '');
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.search !== '')
    throw new UsageError(`HF_ENDPOINT is not an address such as ${HUB_URL}; correct it or leave it out.`);
  const token = givenToken?.trim() || HF_TOKEN?.trim() || null;
  // A header takes nothing else, and its error would show the token.
  if (token !== null && !/^[\x21-\x7e]+$/.test(token))
    throw new UsageError('The Hugging Face token holds a space or a character that no token has; copy it again.');
  if (token !== null && url.protocol === 'http:' && !['localhost', '127.0.0.1', '[::1]'].includes(url.hostname))
    throw new UsageError(`A token is not sent to ${url.origin}, which is not encrypted; use https or no token.`);
  return { endpoint, token, signal, firstWait: 1000, patience: 30_000 };
}

const addressOf = (input: Parameters<typeof fetch>[0]): string =>
  input instanceof Request ? input.url : String(input);

/** What a failed request or stream is about: the system's own word where there is one. */
export function causeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: unknown; message?: unknown } };
  return String(cause?.code ?? cause?.message ?? (error as Error).message);
}
