import { HUB_URL } from '@huggingface/hub';
import { UsageError, UserError } from '../platform/errors.ts';
import { Backoff } from './backoff.ts';
import { HubError, HubUnreachable } from './hub-error.ts';

const mostRedirects = 10;
/** Errors of the operating system after which another attempt is useless: no network, no such host, no server. */
const nobodyThere = ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH'];

export interface HubSettings {
  /** The hub's address, without a trailing slash. */
  readonly endpoint: string;
  readonly token: string | null;
  readonly signal: AbortSignal;
  /** Milliseconds before the second attempt of a failed request. */
  readonly firstWait: number;
  /** Milliseconds without data after which a connection counts as lost. */
  readonly patience: number;
}

/**
 * Sends requests to a hub. Only the hub itself receives the token, so this class adds it to each request and follows
 * redirects to other hosts without it. The functions of `@huggingface/hub` use `fetch` of this class and never see the token.
 */
export class HubClient {
  readonly settings: HubSettings;

  constructor(settings: HubSettings) {
    this.settings = settings;
  }

  /** Like the global `fetch`, but repeats a failed request if that may help. Throws a `HubError` for an error status. */
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

  /** Makes one attempt. Throws a `HubError`, a `HubUnreachable` or a `LostConnection`. */
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
        throw new UserError(
          `${at.origin} redirects to ${next.protocol}//${next.host}, which is not secure, so the download was stopped; check HF_ENDPOINT.`,
        );
      at = next;
    }
    throw new UserError(`${new URL(url).origin} redirects more than ${mostRedirects} times; try again later.`);
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

/** The connection failed or ended early. Another attempt may succeed. */
export class LostConnection extends HubUnreachable {}

/**
 * The hub's address and the token from `HF_ENDPOINT` and `HF_TOKEN`, the variables that other clients of the hub use.
 * Throws a `UsageError` if they cannot be used together.
 */
export function hubSettings(
  { HF_ENDPOINT, HF_TOKEN }: NodeJS.ProcessEnv,
  signal: AbortSignal,
  explicitToken: string | null = null,
): HubSettings {
  const endpoint = (HF_ENDPOINT?.trim() || HUB_URL).replace(/\/+$/, '');
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.search !== '')
    throw new UsageError(`HF_ENDPOINT is not an address such as ${HUB_URL}; correct it or leave it out.`);
  const token = explicitToken?.trim() || HF_TOKEN?.trim() || null;
  // Other characters are invalid in a header, and the error for the header would show the token.
  if (token !== null && !/^[\x21-\x7e]+$/.test(token))
    throw new UsageError('The Hugging Face token contains a space or another invalid character; copy it again.');
  if (token !== null && url.protocol === 'http:' && !['localhost', '127.0.0.1', '[::1]'].includes(url.hostname))
    throw new UsageError(
      `A token is not sent to ${url.origin} because the connection is not encrypted; use https or no token.`,
    );
  return { endpoint, token, signal, firstWait: 1000, patience: 30_000 };
}

const addressOf = (input: Parameters<typeof fetch>[0]): string =>
  input instanceof Request ? input.url : String(input);

/** The cause of a failed request or stream: the operating system's error code if there is one. */
export function causeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: unknown; message?: unknown } };
  return String(cause?.code ?? cause?.message ?? (error as Error).message);
}
