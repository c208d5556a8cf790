//! A statement into an inbox that its caller does not execute to its end, as procedural languages with a limit of rows do.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    /// Executes a statement until it has returned this many rows.
    #[pg_extern]
    fn rows_of(statement: &str, limit: i64) {
        let executed = Spi::connect_mut(|client| {
            client.update(statement, Some(limit), &[]).map(|rows| rows.len())
        });
        assert_eq!(executed, Ok(limit as usize));
    }

    #[pg_test]
    fn a_statement_that_stops_early_is_an_error_at_its_end() {
        Spi::run(
            "CREATE TABLE city (id int PRIMARY KEY);
             SELECT create_inbox('city_json', 'city');
             CREATE FUNCTION came_of(rows int) RETURNS text LANGUAGE plpgsql AS $$
             BEGIN
               PERFORM tests.rows_of($s$INSERT INTO city_json
                 SELECT format('{\"id\": %s}', i) FROM generate_series(1, 3) i RETURNING 1$s$, rows);
               RETURN 'all';
             EXCEPTION WHEN object_not_in_prerequisite_state THEN
               RETURN SQLERRM;
             END $$",
        )
        .expect("an inbox");
        let came_of =
            |rows: i32| Spi::get_one_with_args::<String>("SELECT came_of($1)", &[rows.into()]);
        let count = || Spi::get_one::<i64>("SELECT count(*) FROM city");
        let early = "a statement into an inbox ended before its load did";
        assert_eq!(came_of(2), Ok(Some(early.into())));
        assert_eq!(count(), Ok(Some(0)));
        // Nothing of it is left for the next one.
        Spi::run("INSERT INTO city_json VALUES ('{\"id\": 7}')").expect("a load");
        assert_eq!(count(), Ok(Some(1)));
    }
}
