// Who may see the page: asks for a token, or takes the code of a login link, and shows the rest once there is a session.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Fault } from "../../core/fault.ts";
import type { Contract } from "../operation.ts";
import type { Secret } from "../session.ts";
import { Failure } from "./failure.tsx";
import type { PageServer, Visitor } from "./server.ts";

interface GateProps<C extends Contract> {
  /** `ten` */
  readonly name: string;
  readonly connect: (onLoggedOut: () => void) => PageServer<C>;
  readonly children: (visitor: Visitor, server: PageServer<C>, leave: () => void) => ComponentChildren;
}

export function Gate<C extends Contract>(props: GateProps<C>) {
  const [visitor, setVisitor] = useState<Visitor | null>();
  const [fault, setFault] = useState<Fault>();
  const [server] = useState(() =>
    props.connect(() => {
      setFault(new Fault("unauthorised", "the session has ended", "log in again"));
      setVisitor(null);
    }),
  );

  const enter = (who: Promise<Visitor | undefined>) =>
    who.then(
      (found) => {
        setFault(undefined);
        setVisitor(found ?? null);
      },
      (thrown) => {
        setFault(thrown);
        setVisitor(null);
      },
    );
  useEffect(() => {
    const code = takeCode();
    void enter(code === undefined ? server.whoAmI() : server.logIn({ code }));
    // A link pasted where the page is open already loads nothing anew.
    const take = () => {
      const pasted = takeCode();
      if (pasted !== undefined) void enter(server.logIn({ code: pasted }));
    };
    addEventListener("hashchange", take);
    return () => removeEventListener("hashchange", take);
  }, []);

  if (visitor === undefined) return <p class="wait">…</p>;
  if (visitor === null)
    return <LogIn {...props} fault={fault} onSecret={(secret) => enter(server.logIn(secret))} />;
  const leave = () => {
    setVisitor(null);
    server.logOut().catch(setFault);
  };
  return <>{props.children(visitor, server, leave)}</>;
}

interface LogInProps {
  readonly name: string;
  readonly fault: Fault | undefined;
  readonly onSecret: (secret: Secret) => Promise<void>;
}

function LogIn({ name, fault, onSecret }: LogInProps) {
  const [token, setToken] = useState("");
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    await onSecret({ token: token.trim() });
    setBusy(false);
  };
  return (
    <main class="login">
      <form onSubmit={submit}>
        <h1>
          <img src="/page.svg" alt="" width="28" height="28" /> {name}
        </h1>
        <p class="host">{location.host}</p>
        <label for="token">Token</label>
        <input
          id="token"
          type="password"
          autocomplete="current-password"
          spellcheck={false}
          required
          maxLength={200}
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
          autofocus
        />
        <button type="submit" class="primary" disabled={isBusy || token.trim() === ""}>
          {isBusy ? "Logging in…" : "Log in"}
        </button>
        <Failure fault={fault} />
        {!isSecureContext && (
          <p class="warning">This page came over plain HTTP: whoever is on the way can read the token.</p>
        )}
        <div class="advice">
          <p>
            Without a token: run <code>{name} dashboard</code> on the server's machine, and open the link that
            it prints.
          </p>
          <p>
            <code>{name} token create NAME --scope admin</code> makes a token.
          </p>
        </div>
      </form>
    </main>
  );
}

/** The code of a login link, which no longer stands in the address afterwards. */
function takeCode(): string | undefined {
  const code = new URLSearchParams(location.hash.slice(1)).get("code") ?? undefined;
  if (code !== undefined) history.replaceState(null, "", location.pathname);
  return code;
}
