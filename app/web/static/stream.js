import { ask, SignedOut } from "./session.js";

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
const HANDSHAKE_MS = 10_000;

// Follows the alert stream and comes back whenever it breaks off, with what was missed.
// `told` has onState("live" | "waiting"), onEvent(message), onGap() for when events are lost, onSignedOut().
export class Stream {
  #told;
  #socket = null;
  #waitMs = FIRST_WAIT_MS;
  #lastEventId = null;
  #identity = null;

  constructor(told) {
    this.#told = told;
  }

  async start() {
    try {
      const { ticket, path } = await ask("/api/auth/stream-ticket", { method: "POST" });
      this.#open(ticket, path);
    } catch (error) {
      if (error instanceof SignedOut) this.#told.onSignedOut();
      else this.#again();
    }
  }

  #open(ticket, path) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${path}`);
    this.#socket = socket;
    const late = setTimeout(() => socket.close(), HANDSHAKE_MS);
    socket.onopen = () => this.#send({ type: "auth", ticket });
    socket.onmessage = ({ data }) => {
      clearTimeout(late);
      this.#hear(JSON.parse(data));
    };
    socket.onclose = () => {
      clearTimeout(late);
      this.#again();
    };
  }

  #hear(message) {
    if (message.type === "welcome") {
      const from = this.#lastEventId ?? message.last_event_id;
      this.#send({ type: "subscribe", last_event_id: from, log_identity: this.#identity ?? message.log_identity });
      this.#identity = message.log_identity;
      this.#lastEventId = from;
    } else if (message.type === "resync_required") {
      this.#identity = message.log_identity;
      this.#lastEventId = message.last_event_id;
      this.#told.onGap();
    } else if (message.type === "connection") {
      this.#waitMs = FIRST_WAIT_MS;
      this.#told.onState(message.status === "degraded" ? "waiting" : "live");
    } else if (message.event_id !== undefined) {
      this.#lastEventId = message.event_id;
      this.#told.onEvent(message);
    }
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #again() {
    this.#told.onState("waiting");
    // Not all at once after a restart of the appliance.
    const waitMs = this.#waitMs * (0.5 + Math.random());
    this.#waitMs = Math.min(2 * this.#waitMs, LONGEST_WAIT_MS);
    setTimeout(() => this.start(), waitMs);
  }
}
