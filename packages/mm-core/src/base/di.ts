import 'reflect-metadata';
import {
  type DependencyContainer,
  inject,
  injectable,
  Lifecycle,
  container as rootContainer,
} from 'tsyringe';

/** The only file that imports tsyringe and reflect-metadata. */
export { inject, injectable };

/**
 * A service's name: a symbol, so that a service nobody bound throws instead of being made silently.
 */
export type Token<T> = symbol & { readonly __type?: T };

/** Declares a token. The interface of the service has the same name and lives in the same file. */
export function createToken<T>(name: string): Token<T> {
  return Symbol(name) as Token<T>;
}

/** A constructor that the container may call: every parameter carries `@inject(TOKEN)`. */
// biome-ignore lint/suspicious/noExplicitAny: constructor parameters are the container's business
export type Constructor<T> = new (...args: any[]) => T;

/** One machine's wiring: used while the machine is built, never afterwards. */
export interface Services {
  /** Binds a class: one instance per machine, constructed at first use. The last binding wins. */
  bind<T>(token: Token<T>, implementation: Constructor<T>): void;
  /** Binds a ready value. */
  bindValue<T>(token: Token<T>, value: T): void;
  /** Is something bound? */
  has<T>(token: Token<T>): boolean;
  /** The instance; throws if nothing is bound. */
  get<T>(token: Token<T>): T;
}

/** A fresh container that shares nothing with any other machine. */
export function createServices(): Services {
  const child: DependencyContainer = rootContainer.createChildContainer();
  return {
    bind: (token, implementation) => {
      child.register(token, { useClass: implementation }, { lifecycle: Lifecycle.ContainerScoped });
    },
    bindValue: (token, value) => {
      child.register(token, { useValue: value });
    },
    has: (token) => child.isRegistered(token, true),
    get: (token) => child.resolve(token),
  };
}
