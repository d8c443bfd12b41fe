CREATE TABLE IF NOT EXISTS "slum_alerts" (
	"thing" text PRIMARY KEY NOT NULL,
	"begun_at" bigint NOT NULL,
	"open" boolean NOT NULL
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "slum_changes" (
	"revision" bigint NOT NULL,
	"table" text NOT NULL,
	"key" text NOT NULL,
	CONSTRAINT "slum_changes_revision_table_key_pk" PRIMARY KEY("revision","table","key")
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "slum_deliveries" (
	"seq" bigint PRIMARY KEY NOT NULL,
	"webhook" text NOT NULL,
	"message_id" text NOT NULL,
	"type" text NOT NULL,
	"body" text NOT NULL,
	"created_at" bigint NOT NULL,
	"attempts" integer NOT NULL,
	"next_at" bigint NOT NULL,
	"last_error" text,
	"claimed_by" text,
	"claimed_until" bigint
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "slum_events" (
	"seq" bigint PRIMARY KEY NOT NULL,
	"at" bigint NOT NULL,
	"kind" text NOT NULL,
	"server" text,
	"tenant" text,
	"detail" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "slum_revision" (
	"id" integer PRIMARY KEY NOT NULL,
	"number" bigint NOT NULL,
	"since" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "slum_servers" (
	"seq" bigint PRIMARY KEY NOT NULL,
	"id" text NOT NULL,
	"url" text NOT NULL,
	"region" text,
	"health_path" text NOT NULL,
	"addressing" text NOT NULL,
	"drained" boolean NOT NULL,
	"created_at" bigint NOT NULL,
	"status" text NOT NULL,
	"status_at" bigint NOT NULL,
	"latency_ms" double precision,
	"last_error" text
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "slum_slums" (
	"id" text PRIMARY KEY NOT NULL,
	"seen_at" bigint NOT NULL,
	"sightings" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "slum_tenants" (
	"seq" bigint PRIMARY KEY NOT NULL,
	"id" text NOT NULL,
	"domain" text NOT NULL,
	"server" text NOT NULL,
	"service" text NOT NULL,
	"instance" text,
	"failover" jsonb,
	"writes" text NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "slum_tokens" (
	"hash" text PRIMARY KEY NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "slum_webhooks" (
	"seq" bigint PRIMARY KEY NOT NULL,
	"id" text NOT NULL,
	"url" text NOT NULL,
	"secret" text NOT NULL,
	"old_secret" text,
	"old_secret_until" bigint,
	"types" jsonb,
	"allow_private" boolean NOT NULL,
	"disabled" text,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX IF NOT EXISTS "slum_deliveries_message" ON "slum_deliveries" USING btree ("webhook","message_id");--> statement-breakpoint
CREATE UNIQUE INDEX IF NOT EXISTS "slum_servers_id" ON "slum_servers" USING btree ("id");--> statement-breakpoint
CREATE UNIQUE INDEX IF NOT EXISTS "slum_servers_url" ON "slum_servers" USING btree ("url");--> statement-breakpoint
CREATE UNIQUE INDEX IF NOT EXISTS "slum_tenants_id" ON "slum_tenants" USING btree ("id");--> statement-breakpoint
CREATE UNIQUE INDEX IF NOT EXISTS "slum_tenants_domain" ON "slum_tenants" USING btree ("domain");--> statement-breakpoint
CREATE UNIQUE INDEX IF NOT EXISTS "slum_webhooks_id" ON "slum_webhooks" USING btree ("id");--> statement-breakpoint
INSERT INTO "slum_revision" ("id", "number", "since") VALUES (1, 0, 0) ON CONFLICT DO NOTHING;
