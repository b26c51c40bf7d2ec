/** The value of an expression where its variables have the values that `at` returns; NaN where it is not defined. */
export type LatexValue = (at: (variable: string) => number) => number;

/** Longer or more deeply nested texts have no value, so that reading one always ends quickly. */
const longest = 1000;
const deepest = 60;

class NoValue extends Error {}

const functions: Readonly<Record<string, (value: number) => number>> = {
  '\\sin': Math.sin,
  '\\cos': Math.cos,
  '\\tan': Math.tan,
  '\\cot': (value) => 1 / Math.tan(value),
  '\\sec': (value) => 1 / Math.cos(value),
  '\\csc': (value) => 1 / Math.sin(value),
  '\\arcsin': Math.asin,
  '\\arccos': Math.acos,
  '\\arctan': Math.atan,
  '\\ln': Math.log,
  '\\exp': Math.exp,
};

const greek =
  /^\\(?:alpha|beta|gamma|delta|epsilon|varepsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|phi|varphi|chi|psi|omega|infty)$/;

/**
 * Reads a mathematical expression in LaTeX or plain text: numbers, variables, `+ - * /`, powers, fractions, roots, absolute
 * values, factorials, binomials, logarithms, trigonometric functions and angles in degrees. Null if it is anything else, or ambiguous as
 * `1/2x` is. An integer directly before a proper fraction of integers is a mixed number.
 */
export function latexValue(text: string): LatexValue | null {
  if (text.length > longest) return null;
  const tokens = tokensOf(text);
  if (tokens === null || tokens.length === 0) return null;
  try {
    const reader = new Reader(tokens);
    const value = reader.sum();
    return reader.peek() === undefined ? value : null;
  } catch (error) {
    if (error instanceof NoValue) return null;
    throw error;
  }
}

function tokensOf(text: string): string[] | null {
  const tidy = text
    .replace(/\\[dtc]frac(?![a-zA-Z])/g, '\\frac')
    .replace(/\\[dt]binom(?![a-zA-Z])/g, '\\binom')
    .replace(/\{([^{}]*)\\over(?![a-zA-Z])([^{}]*)\}/g, '\\frac{$1}{$2}')
    .replace(/\\(?:[lr]?vert)(?![a-zA-Z])/g, '|')
    .replace(/\\(sin|cos|tan)\s*\^\s*(?:\{\s*-1\s*\}|-1)/g, '\\arc$1')
    .replace(/²/g, '^2')
    .replace(/³/g, '^3')
    .replace(/\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![a-zA-Z]))|\\degree(?![a-zA-Z])/g, '°')
    // Without braces, arguments of LaTeX's commands are single characters.
    .replace(/\\(frac|binom)\s*(\d|\\pi|[a-zA-Z])(?![a-zA-Z])\s*(?=[\d{\\])/g, '\\$1{$2}')
    .replace(/(\\(?:frac|binom)\{[^{}]*\})\s*(\d|\\pi|[a-zA-Z])/g, '$1{$2}')
    .replace(/\\sqrt\s*(\d)/g, '\\sqrt{$1}')
    .replace(/\\(?:left|right|displaystyle|limits|[bB]igg?[lr]?)(?![a-zA-Z])|\\[,;:!]/g, ' ')
    .replace(/\\\{/g, '(')
    .replace(/\\\}/g, ')')
    .replace(/\\(?:cdot|times)(?![a-zA-Z])|[×·∗]/g, '*')
    .replace(/\\div(?![a-zA-Z])|÷/g, '/')
    .replace(/[−–]/g, '-')
    .replace(/\*\*/g, '^')
    .replace(/√/g, '\\sqrt')
    .replace(/π/g, '\\pi')
    .replace(/∞/g, '\\infty')
    .replace(/(?<=\.\d*)\\bar(?=\{\d+\})/g, '\\overline')
    // 0.1\overline{6} is 0.1666….
    .replace(/(\d*)\.(\d*)\\overline\{(\d+)\}/g, (_, whole: string, fixed: string, period: string) => {
      const [all, head] = [`${whole}${fixed}${period}`, `${whole}${fixed}` || '0'];
      return `(\\frac{${all}-${head}}{${'9'.repeat(period.length)}${'0'.repeat(fixed.length)}})`;
    });
  const token = /\s+|\d+(?:\.\d+)?|\.\d+|\\[a-zA-Z]+|[a-zA-Z]|[-+*/^_!|()[\]{}°]/y;
  const tokens: string[] = [];
  for (let position = 0; position < tidy.length; position = token.lastIndex) {
    token.lastIndex = position;
    const found = token.exec(tidy)?.[0];
    if (found === undefined) return null;
    if (found.trim() !== '') tokens.push(found);
  }
  return tokens;
}

const isInteger = (token: string | undefined): boolean => token !== undefined && /^\d+$/.test(token);

/** Recursive descent, one method per level of precedence. */
class Reader {
  readonly #tokens: readonly string[];
  #position = 0;
  #depth = 0;
  /** Number of open absolute values, in which the next bar closes one. */
  #bars = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  peek(ahead = 0): string | undefined {
    return this.#tokens[this.#position + ahead];
  }

  sum(): LatexValue {
    if (++this.#depth > deepest) throw new NoValue();
    let value = this.#product();
    for (;;) {
      const left = value;
      if (this.#take('+')) {
        const right = this.#product();
        value = (at) => left(at) + right(at);
      } else if (this.#take('-')) {
        const right = this.#product();
        value = (at) => left(at) - right(at);
      } else {
        this.#depth--;
        return value;
      }
    }
  }

  #product(): LatexValue {
    if (this.#take('-')) {
      const value = this.#product();
      return (at) => -value(at);
    }
    if (this.#take('+')) return this.#product();
    let value = this.#power();
    let divided = false;
    for (;;) {
      const left = value;
      if (this.#take('*')) {
        const right = this.#signed();
        value = (at) => left(at) * right(at);
        divided = false;
      } else if (this.#take('/')) {
        const right = this.#signed();
        value = (at) => left(at) / right(at);
        divided = true;
      } else if (this.#beginsFactor()) {
        // 1/2x is half of x, or one over 2x.
        if (divided || /^[\d.]/.test(this.peek() as string)) throw new NoValue();
        const right = this.#power();
        value = (at) => left(at) * right(at);
      } else return value;
    }
  }

  #signed(): LatexValue {
    if (!this.#take('-')) return this.#power();
    const value = this.#power();
    return (at) => -value(at);
  }

  #beginsFactor(): boolean {
    const next = this.peek();
    if (next === undefined || next === '|') return next === '|' && this.#bars === 0;
    return /^[\d.a-zA-Z\\([{]/.test(next);
  }

  #power(): LatexValue {
    let base = this.#atom();
    while (this.#take('!')) {
      const value = base;
      base = (at) => factorial(value(at));
    }
    if (this.#take('°')) {
      const angle = base;
      return (at) => (angle(at) * Math.PI) / 180;
    }
    if (!this.#take('^')) return base;
    const exponent = this.#argument();
    return (at) => base(at) ** exponent(at);
  }

  #atom(): LatexValue {
    const next = this.peek();
    if (next === undefined) throw new NoValue();
    this.#position++;
    if (/^[\d.]/.test(next)) return this.#number(next);
    if (next === '(') return this.#until(')');
    if (next === '[') return this.#until(']');
    if (next === '{') return this.#until('}');
    if (next === '|') {
      this.#bars++;
      const inner = this.#until('|');
      this.#bars--;
      return (at) => Math.abs(inner(at));
    }
    if (next === '\\frac') return quotient(this.#argument(), this.#argument());
    if (next === '\\binom') {
      const [all, chosen] = [this.#argument(), this.#argument()];
      return (at) => factorial(all(at)) / factorial(chosen(at)) / factorial(all(at) - chosen(at));
    }
    if (next === '\\sqrt') return this.#root();
    if (next === '\\pi') return () => Math.PI;
    if (next === 'e') return () => Math.E;
    if (next === '\\log') return this.#logarithm();
    if (next in functions) return this.#applied(functions[next] as (value: number) => number);
    if (/^[a-zA-Z]$/.test(next) || greek.test(next)) return this.#variable(next);
    throw new NoValue();
  }

  #number(literal: string): LatexValue {
    const value = Number(literal);
    const [above, below] = [this.peek(2), this.peek(5)];
    const isMixed =
      isInteger(literal) &&
      this.peek() === '\\frac' &&
      this.peek(1) === '{' &&
      isInteger(above) &&
      this.peek(3) === '}' &&
      this.peek(4) === '{' &&
      isInteger(below) &&
      this.peek(6) === '}';
    if (!isMixed || Number(above) >= Number(below)) return () => value;
    this.#position += 7;
    const mixed = value + Number(above) / Number(below);
    return () => mixed;
  }

  #root(): LatexValue {
    const degree = this.#take('[') ? this.#until(']') : () => 2;
    const radicand = this.#argument();
    return (at) => {
      const [value, n] = [radicand(at), degree(at)];
      if (n === 2) return Math.sqrt(value);
      return value < 0 && n % 2 === 1 ? -((-value) ** (1 / n)) : value ** (1 / n);
    };
  }

  #logarithm(): LatexValue {
    const base = this.#take('_') ? this.#argument() : () => 10;
    const argument = this.#functionArgument();
    return (at) => Math.log(argument(at)) / Math.log(base(at));
  }

  #applied(apply: (value: number) => number): LatexValue {
    const power = this.#take('^') ? this.#argument() : null;
    const argument = this.#functionArgument();
    if (power === null) return (at) => apply(argument(at));
    // \sin^{-1} is the inverse function.
    return (at) => (power(at) === -1 ? Number.NaN : apply(argument(at)) ** power(at));
  }

  /** A bracket, or factors up to the next operator: `\sin 2x`. */
  #functionArgument(): LatexValue {
    const next = this.peek();
    if (next === '(' || next === '{') return this.#atom();
    let value = this.#power();
    while (/^(?:[a-zA-Z]|\\pi|\\sqrt)$/.test(this.peek() ?? '')) {
      const [left, right] = [value, this.#power()];
      value = (at) => left(at) * right(at);
    }
    return value;
  }

  #variable(name: string): LatexValue {
    if (!this.#take('_')) return (at) => at(name);
    const next = this.peek();
    if (next === undefined) throw new NoValue();
    this.#position++;
    let index = next;
    if (next === '{') {
      index = '';
      for (let token = this.peek(); token !== '}'; token = this.peek()) {
        if (token === undefined) throw new NoValue();
        index += token;
        this.#position++;
      }
      this.#position++;
    }
    return (at) => at(`${name}_${index}`);
  }

  /** A group in braces, or one number, name or function with its argument. */
  #argument(): LatexValue {
    if (this.#take('{')) return this.#until('}');
    if (!this.#take('-')) return this.#atom();
    const value = this.#atom();
    return (at) => -value(at);
  }

  #until(end: string): LatexValue {
    const value = this.sum();
    if (!this.#take(end)) throw new NoValue();
    return value;
  }

  #take(symbol: string): boolean {
    if (this.peek() !== symbol) return false;
    this.#position++;
    return true;
  }
}

const quotient =
  (above: LatexValue, below: LatexValue): LatexValue =>
  (at) =>
    above(at) / below(at);

function factorial(value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 170) return Number.NaN;
  let product = 1;
  for (let factor = 2; factor <= value; factor++) product *= factor;
  return product;
}
